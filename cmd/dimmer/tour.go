package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dimmerhq/dimmer/service/server"
)

// tour shows what Dimmer is for, on the running shop: it turns a flag up and kills it, and after each step counts over HTTP
// how many of 1,000 users see the new checkout. It changes flags as anybody would, over REST.
type tour struct {
	app  *app
	dev  server.DevFile
	shop string
	api  *client
	web  *http.Client
}

const (
	tourFlag  = "new-checkout"
	tourUsers = 1000
	// tourLeaves is the exposure, in percent, at which the tour leaves the flag.
	tourLeaves = "25"
)

func (t *tour) play(ctx context.Context) error {
	t.api = &client{base: t.dev.URL, token: t.dev.Admin, project: t.dev.Project, http: &http.Client{}}
	t.web = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 10 * time.Second}
	defer t.web.CloseIdleConnections()
	fmt.Fprintf(t.app.out, "\nThe tour (TOUR=0 skips it). After each step %s users ask the running shop for their checkout.\n", thousands(tourUsers))
	if err := t.clear(ctx); err != nil { // of an earlier tour that was interrupted
		return err
	}
	var at25 []bool
	for _, percent := range []string{"0", tourLeaves, "100"} {
		if err := t.ramp(ctx, percent); err != nil {
			return err
		}
		seen, err := t.count(ctx, "")
		if err != nil {
			return err
		}
		if percent == tourLeaves {
			at25 = seen
		}
	}
	if err := t.kill(ctx); err != nil {
		return err
	}
	if _, err := t.count(ctx, ""); err != nil {
		return err
	}
	return t.leave(ctx, at25)
}

// leave puts the flag where the tour leaves it: down first, then cleared, so that nobody is exposed in between.
func (t *tour) leave(ctx context.Context, at25 []bool) error {
	if err := t.ramp(ctx, tourLeaves); err != nil {
		return err
	}
	t.say("clear %s -e %s --reason \"the tour is over\"", tourFlag, shopEnvironment)
	start := time.Now()
	if err := t.clear(ctx); err != nil {
		return err
	}
	revision, err := t.newest(ctx)
	if err != nil {
		return err
	}
	if err := t.arrived(ctx, revision, start); err != nil {
		return err
	}
	now, err := t.see(ctx)
	if err != nil {
		return err
	}
	same := ": the very same users as before"
	for i := range now {
		if now[i] != at25[i] {
			same = ", NOT the same users as before"
		}
	}
	t.printCount(now, same)
	fmt.Fprintf(t.app.out, "\nThat was the tour. It leaves %s at %s %% in %s, with nothing killed.\n", tourFlag, tourLeaves, shopEnvironment)
	return nil
}

func (t *tour) say(format string, args ...any) {
	fmt.Fprintf(t.app.out, "\n  $ %s "+format+"\n", append([]any{command(t.app)}, args...)...)
}

func (t *tour) path(suffix string) string {
	return pathf("/v1/projects/%s/flags/%s/environments/%s", t.dev.Project, tourFlag, shopEnvironment) + suffix
}

func (t *tour) ramp(ctx context.Context, percent string) error {
	t.say("ramp %s %s -e %s", tourFlag, percent, shopEnvironment)
	start := time.Now()
	resp, err := t.api.do(ctx, request{method: http.MethodPost, path: t.path("/ramp"), body: map[string]any{"exposure": json.RawMessage(percent), "reason": "the tour"}})
	if err != nil {
		return err
	}
	var after targeting
	if err := json.Unmarshal(resp.body, &after); err != nil {
		return err
	}
	return t.arrived(ctx, after.Revision, start)
}

// newest is the project's newest revision.
func (t *tour) newest(ctx context.Context) (int64, error) {
	resp, err := t.api.do(ctx, request{method: http.MethodGet, path: pathf("/v1/projects/%s/log", t.dev.Project), query: url.Values{"limit": {"1"}}})
	if err != nil {
		return 0, err
	}
	var list struct {
		Items []logEntry `json:"items"`
	}
	if err := json.Unmarshal(resp.body, &list); err != nil {
		return 0, err
	}
	if len(list.Items) == 0 {
		return 0, fmt.Errorf("the log is empty")
	}
	return list.Items[0].Revision, nil
}

// arrived waits until every instance has acknowledged a revision, and prints the receipt.
func (t *tour) arrived(ctx context.Context, revision int64, start time.Time) error {
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		done, total, err := t.instances(ctx, revision)
		if err != nil {
			return err
		}
		if done == total && total > 0 {
			t.printReceipt(done, total, time.Since(start))
			return nil
		}
		select {
		case <-pause.C:
		case <-deadline.C:
			return fmt.Errorf("after 10 s revision %d is at %d of %d instances", revision, done, total)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *tour) instances(ctx context.Context, revision int64) (done, total int, err error) {
	resp, err := t.api.do(ctx, request{
		method: http.MethodGet, path: pathf("/v1/projects/%s/instances", t.dev.Project), query: url.Values{"environment": {shopEnvironment}},
	})
	if err != nil {
		return 0, 0, err
	}
	var list struct {
		Items []struct {
			Revision int64  `json:"revision"`
			State    string `json:"state"`
		} `json:"items"`
	}
	if err := json.Unmarshal(resp.body, &list); err != nil {
		return 0, 0, err
	}
	for _, i := range list.Items {
		if i.State == "lost" { // a shop that was killed a while ago
			continue
		}
		total++
		if i.State == "connected" && i.Revision >= revision {
			done++
		}
	}
	return done, total, nil
}

func (t *tour) printReceipt(done, total int, after time.Duration) {
	fmt.Fprintf(t.app.out, "    acknowledged by %d/%d instances in %s ms\n", done, total, strconv.FormatFloat(float64(after.Microseconds())/1000, 'f', 1, 64))
}

func (t *tour) kill(ctx context.Context) error {
	t.say("kill %s -e %s --reason \"the tour: payments fail\"", tourFlag, shopEnvironment)
	start := time.Now()
	body := map[string]string{"reason": "the tour: payments fail", "wait": "instances", "timeout": "10s"}
	resp, err := t.api.do(ctx, request{method: http.MethodPost, path: t.path("/kill"), body: body})
	if err != nil {
		return err
	}
	var r receipt
	if err := json.Unmarshal(resp.body, &r); err != nil {
		return err
	}
	t.printReceipt(r.Instances.Done, r.Instances.Total, time.Since(start))
	return nil
}

// clear clears all kills of the flag; there may be none.
func (t *tour) clear(ctx context.Context) error {
	a := *t.app
	a.ctx = ctx
	ids, err := openKills(&a, t.api, t.path("/kills"))
	if err != nil {
		return err
	}
	for _, id := range ids {
		r := request{method: http.MethodDelete, path: t.path("/kills") + pathf("/%s", id), query: url.Values{"reason": {"the tour is over"}}}
		if _, err := t.api.do(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) count(ctx context.Context, note string) ([]bool, error) {
	seen, err := t.see(ctx)
	if err == nil {
		t.printCount(seen, note)
	}
	return seen, err
}

func (t *tour) printCount(seen []bool, note string) {
	n := 0
	for _, in := range seen {
		if in {
			n++
		}
	}
	fmt.Fprintf(t.app.out, "    %s of %s users see the new checkout%s\n", thousands(n), thousands(tourUsers), note)
}

// see asks the shop for every user's checkout, as a browser would.
func (t *tour) see(ctx context.Context) ([]bool, error) {
	seen := make([]bool, tourUsers)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range seen {
		g.Go(func() error {
			var err error
			seen[i], err = t.newCheckout(ctx, "u"+strconv.Itoa(i+1))
			return err
		})
	}
	return seen, g.Wait()
}

func (t *tour) newCheckout(ctx context.Context, user string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.shop+"/checkout?"+url.Values{"user": {user}}.Encode(), nil)
	if err != nil {
		return false, err
	}
	resp, err := t.web.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	in, out := bytes.Contains(page, []byte(`data-checkout="new"`)), bytes.Contains(page, []byte(`data-checkout="old"`))
	if in == out {
		return false, fmt.Errorf("the shop answered %s with no checkout", resp.Status)
	}
	return in, nil
}

// thousands prints 1000 as "1,000".
func thousands(n int) string {
	s := strconv.Itoa(n)
	if len(s) > 3 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
