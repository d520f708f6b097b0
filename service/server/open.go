package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/localstore"
	"github.com/dimmerhq/dimmer/service/store/redisstore"
)

// openStore opens the store that --store names.
func openStore(ctx context.Context, cfg config.Config, logger *slog.Logger) (store.Store, error) {
	if dir, local := cfg.LocalDir(); local {
		st, err := localstore.Open(dir, localstore.Options{Logger: logger})
		if errors.Is(err, store.ErrLocked) {
			return nil, fmt.Errorf("--store local:%s is open in another process. Stop it, or choose another folder with --store (or DIMMER_STORE)", dir)
		}
		if err != nil {
			return nil, fmt.Errorf("--store %s: %w", cfg.Store, err)
		}
		return st, nil
	}
	st, err := redisstore.Open(ctx, cfg.Store, redisstore.Options{MinReplicas: cfg.MinReplicas, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err) // the URL may hold a password
	}
	return st, nil
}

// OpenStore opens a store by itself, for commands that work on one without a server.
func OpenStore(ctx context.Context, url string, logger *slog.Logger) (store.Store, error) {
	cfg := config.Config{Store: url}
	if err := cfg.ValidateStore(); err != nil {
		return nil, err
	}
	return openStore(ctx, cfg, logger)
}

// CheckStore reports why a URL cannot be a store's, without opening anything.
func CheckStore(url string) error { return config.Config{Store: url}.ValidateStore() }

// CheckStoreIsThere is CheckStore for a store that is to be read: opening a folder that holds none would make one.
func CheckStoreIsThere(url string) error {
	if err := CheckStore(url); err != nil {
		return err
	}
	if dir, local := (config.Config{Store: url}).LocalDir(); local && !localstore.Exists(dir) {
		return fmt.Errorf("there is no store in the folder %s", dir)
	}
	return nil
}
