package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

// compacting notes which scopes were compacted, and fails for the first of them.
type compacting struct {
	*storetest.Memory
	mu   sync.Mutex
	done []string
}

func (c *compacting) Scopes(context.Context) ([]string, error) { return []string{"bad", "good"}, nil }

func (c *compacting) Compact(_ context.Context, scope string, r store.Retention) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = append(c.done, fmt.Sprint(scope, r == store.DefaultRetention))
	if scope == "bad" {
		return errors.New("broken")
	}
	return nil
}

// TestCompact: every hour all logs are held to their retention, and one that fails holds up no other.
func TestCompact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &compacting{Memory: storetest.NewMemory()}
		p := &parts{store: st, logger: slog.New(slog.DiscardHandler)}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.compact(ctx) }()
		done := func() []string {
			synctest.Wait()
			st.mu.Lock()
			defer st.mu.Unlock()
			return slices.Clone(st.done)
		}
		time.Sleep(compactEvery - time.Second)
		require.Empty(t, done())
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"badtrue", "goodtrue"}, done())
		time.Sleep(compactEvery)
		require.Len(t, done(), 4)
		stop()
		require.NoError(t, <-ended)
	})
}

// TestDeletedIsForgotten: no node says any more that it serves an environment that was deleted, and none reports on a project that was.
func TestDeletedIsForgotten(t *testing.T) {
	st := shared{storetest.NewMemory()}
	cfg := testConfig(t.TempDir())
	cfg.Dev, cfg.Node = true, "n"
	r := launch(t, cfg, st)
	told := func() string {
		presence, err := st.Presence(t.Context(), "shop")
		require.NoError(t, err)
		return string(presence["node/n"])
	}
	remove := func(path string) {
		var current struct{ Version int64 }
		require.NoError(t, json.Unmarshal([]byte(r.must(200, "GET", path, r.dev().Admin, "")), &current))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+r.Addresses().HTTP+path+"?reason=test", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+r.dev().Admin)
		req.Header.Set("If-Match", fmt.Sprintf("%q", fmt.Sprint(current.Version)))
		resp, err := web.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, 204, resp.StatusCode)
	}
	eventually(t, "it tells what it serves", func() bool { return strings.Contains(told(), `"staging"`) })
	remove("/v1/projects/shop/environments/staging")
	eventually(t, "the environment is forgotten", func() bool { return !strings.Contains(told(), `"staging"`) && strings.Contains(told(), `"production"`) })
	remove("/v1/projects/shop")
	eventually(t, "the project has no publisher any more", func() bool {
		buf := make([]byte, 1<<20)
		return !strings.Contains(string(buf[:runtime.Stack(buf, true)]), "receipt.(*project).publish")
	})
}
