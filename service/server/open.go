package server

import (
	"context"
	"errors"
	"log/slog"

	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/store"
)

func openStore(_ context.Context, _ config.Config, _ *slog.Logger) (store.Store, error) {
	return nil, errors.New("no store is built in yet")
}
