package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dimmerhq/dimmer/service/server"
)

// writers change flags as fast as they are let, and note what they sent and what was acknowledged.
type writers struct {
	mu    sync.Mutex
	sent  map[string]bool
	acked map[string]int64 // by reason, which is unique → revision
	n     atomic.Int64
}

func (w *writers) run(ctx context.Context, api *client, worker int) error {
	path := pathf("/v1/projects/shop/flags/%s/environments/production/ramp", []string{"new-checkout", "recommendations", "theme", "search-ranking"}[worker%4])
	for ctx.Err() == nil {
		n := w.n.Add(1)
		reason := fmt.Sprintf("write-%d-%d", worker, n)
		w.mu.Lock()
		w.sent[reason] = true
		w.mu.Unlock()
		// Never the exposure that is there: a write that changes nothing is acknowledged and makes no entry.
		exposure := json.RawMessage(fmt.Sprintf("%.3f", float64(n%100_000+1)/1000))
		resp, err := api.do(ctx, request{method: http.MethodPost, path: path, body: map[string]any{"exposure": exposure, "reason": reason}})
		var e *exitError
		switch {
		case errors.As(err, &e) && e.code == exitUnavailable:
			return nil // killed
		case err != nil:
			return err
		}
		var t targeting
		if err := json.Unmarshal(resp.body, &t); err != nil {
			return err
		}
		w.mu.Lock()
		w.acked[reason] = t.Revision
		w.mu.Unlock()
	}
	return nil
}

// until returns when so many writes were acknowledged in all.
func (w *writers) until(t *testing.T, acked int) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.acked) >= acked
	}, 2*time.Minute, time.Millisecond)
}

func wholeLog(t *testing.T, api *client) []logEntry {
	t.Helper()
	body, err := allPages(&app{ctx: t.Context()}, api, request{method: http.MethodGet, path: "/v1/projects/shop/log", query: url.Values{}})
	require.NoError(t, err)
	var list struct{ Items []logEntry }
	require.NoError(t, json.Unmarshal(body, &list))
	return list.Items
}

// TestKill9LosesNothing: kill -9 of the server, again and again, while eight clients write. acknowledged ⊆ stored ⊆ sent, each
// acknowledged write at its revision, and no gap in the log.
func TestKill9LosesNothing(t *testing.T) {
	writes, kills := 2000, 5
	if testing.Short() {
		writes, kills = 200, 2
	}
	dir := t.TempDir()
	env, _ := devPorts(t)
	all := &writers{sent: map[string]bool{}, acked: map[string]int64{}}
	var stored []logEntry
	for round := range kills + 1 {
		p := startProcess(t, dir, env, "serve", "--dev")
		p.until("msg=ready")
		dev, err := server.ReadDevFile(dir + "/.dimmer")
		require.NoError(t, err)
		api := &client{base: dev.URL, token: dev.Admin, project: "shop", http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
		if round == kills {
			stored = wholeLog(t, api)
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		var g sync.WaitGroup
		errs := make(chan error, 8)
		for worker := range 8 {
			g.Go(func() { errs <- all.run(ctx, api, worker) })
		}
		all.until(t, writes*(round+1)/kills)
		require.NoError(t, p.cmd.Process.Signal(os.Kill))
		g.Wait()
		cancel()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		p.wait()
		api.http.CloseIdleConnections()
	}
	found := map[string]int64{}
	for i, e := range stored {
		require.Equal(t, stored[0].Revision-int64(i), e.Revision, "no gap")
		if e.Verb == "targeting.ramp" {
			require.True(t, all.sent[e.Reason], "stored and never sent: %q", e.Reason)
			require.NotContains(t, found, e.Reason, "stored twice")
			found[e.Reason] = e.Revision
		}
	}
	for reason, revision := range all.acked {
		require.Equal(t, revision, found[reason], "acknowledged and lost, or not where it was said to be: %s", reason)
	}
	require.GreaterOrEqual(t, len(all.acked), writes)
	t.Logf("%d sent, %d acknowledged, %d stored, %d kills", len(all.sent), len(all.acked), len(found), kills)
}
