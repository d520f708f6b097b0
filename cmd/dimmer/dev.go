package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	adminui "github.com/dimmerhq/dimmer/admin-ui"
	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/server"
)

// devCmd is what `make run` runs: a development server in this process, the example shop in one of its own, and the tour.
type devCmd struct {
	HTTP    string `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" env:"DIMMER_HTTP" help:"Address of the admin API and UI."`
	GRPC    string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" env:"DIMMER_GRPC" help:"Address of the evaluation and sync services."`
	Metrics string `default:"127.0.0.1:9464" placeholder:"ADDR" env:"DIMMER_METRICS" help:"Address of /metrics and profiling; empty for none."`
	Shop    string `default:"127.0.0.1:8000" placeholder:"ADDR" env:"DIMMER_SHOP" help:"Address of the example shop."`
	Tour    string `default:"auto" enum:"auto,0,1" env:"TOUR" help:"0: skip the tour; 1: play it again; auto: the first time."`
}

// shopEnvironment is where the example shop lives.
const shopEnvironment = "production"

func (c *devCmd) Run(a *app) error {
	if err := c.checkShop(a.ctx); err != nil {
		return err
	}
	_, err := server.ReadDevFile(a.globals.Data)
	fresh := errors.Is(err, fs.ErrNotExist)
	cfg := config.Config{
		Dev: true, Store: "local:" + a.globals.Data, HTTP: c.HTTP, GRPC: c.GRPC, Metrics: c.Metrics,
		Roles: []string{config.RoleAdmin, config.RoleEvaluation, config.RoleController}, Drain: 2 * time.Second,
	}
	s, err := server.New(cfg, server.Options{Logger: newLogger(a.err, "warn", "text"), Version: version, Notice: a.err})
	if err != nil {
		return &exitError{exitUsage, err}
	}
	// The server outlives the shop, so that the shop can say goodbye.
	running, stopServer := context.WithCancel(context.WithoutCancel(a.ctx))
	g, ctx := errgroup.WithContext(a.ctx)
	g.Go(func() error { return s.Run(running) })
	g.Go(func() error {
		defer stopServer()
		select {
		case <-s.Ready():
		case <-ctx.Done():
			return nil
		}
		return c.withShop(ctx, a, fresh)
	})
	return g.Wait()
}

// withShop runs the shop until ctx ends, and the tour beside it.
func (c *devCmd) withShop(ctx context.Context, a *app, fresh bool) error {
	dev, err := server.ReadDevFile(a.globals.Data)
	if err != nil {
		return err
	}
	shop, err := startShop(ctx, c.Shop, dev)
	if err != nil {
		return err
	}
	defer shop.stop()
	c.printAddresses(a, dev, shop.url)
	if c.Tour == "1" || c.Tour == "auto" && fresh {
		if err := (&tour{app: a, dev: dev, shop: shop.url}).play(ctx); err != nil {
			if ctx.Err() != nil {
				return nil // interrupted
			}
			return fmt.Errorf("the tour: %w", err)
		}
	}
	c.printCommands(ctx, a, dev)
	select {
	case <-ctx.Done():
		fmt.Fprintf(a.out, "\nStopping the shop and the server; the data stays in %s.\n", dataName(a))
		return nil
	case <-shop.done:
		if shop.err == nil {
			return errors.New("the shop ended by itself")
		}
		return fmt.Errorf("the shop ended by itself: %w", shop.err)
	}
}

// dataName is the data folder as it can be typed here.
func dataName(a *app) string {
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, a.globals.Data); err == nil && !strings.HasPrefix(rel, "..") {
			return rel
		}
	}
	return a.globals.Data
}

func (c *devCmd) printAddresses(a *app, dev server.DevFile, shop string) {
	fmt.Fprintf(a.out, `Dimmer is running, for development: on loopback only, data and tokens in %s.

  admin API and UI   %s
  gRPC for SDKs      %s
  example shop       %s/checkout
                     %s/crowd   (1,000 visitors, live)
`, dataName(a), dev.URL, dev.GRPC, shop, shop)
}

// command is this binary's name as it can be typed, with what another data folder needs.
func command(a *app) string {
	name := os.Args[0]
	if wd, err := os.Getwd(); err == nil && filepath.IsAbs(name) {
		if rel, err := filepath.Rel(wd, name); err == nil && len(rel) < len(name) {
			name = rel
		}
	}
	if data := dataName(a); data != ".dimmer" {
		name += " --data " + data
	}
	return name
}

func (c *devCmd) printCommands(ctx context.Context, a *app, dev server.DevFile) {
	where := "in a second terminal, from this folder (this binary has no web UI: make ui build, with Node 20.19 or newer)"
	if adminui.Built() {
		where = fmt.Sprintf("in a browser (this link signs in once; %s ui prints another):\n\n  %s\n\nor in a second terminal, from this folder", command(a), devLink(ctx, dev))
	}
	fmt.Fprintf(a.out, `
Now you, %[2]s:

  %[1]s ramp new-checkout 50 -e production
  %[1]s kill new-checkout -e production --reason "trying it out"
  %[1]s clear new-checkout -e production --reason "all is well"

Ctrl-C stops the server and the shop.
`, command(a), where)
}

// checkShop finds out early that the shop's port is taken; the shop is started last.
func (c *devCmd) checkShop(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Shop)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--shop %s: the port is in use. Stop what uses it, or choose another with --shop (or DIMMER_SHOP)", c.Shop)
	}
	if err != nil {
		return fmt.Errorf("--shop %s: %w", c.Shop, err)
	}
	return l.Close()
}

// shopProcess is the running example shop.
type shopProcess struct {
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when it has ended
	err  error         // then: how
}

// startShop starts the shop, which lies beside this binary, and waits until it serves. It ends when this process does, however that
// ends: its standard input is a pipe from here.
func startShop(ctx context.Context, addr string, dev server.DevFile) (*shopProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(filepath.Dir(self), "shop")
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("the example shop is not beside this binary (make build puts it there): %w", err)
	}
	token := dev.SDK[shopEnvironment]
	if token == "" {
		return nil, fmt.Errorf("the project %q has no environment %s, where the shop lives", dev.Project, shopEnvironment)
	}
	cmd := exec.Command(binary, "-addr", addr, "-dimmer", dev.GRPC, "-until-stdin-closes")
	cmd.Env = append(os.Environ(), "DIMMER_SDK_TOKEN="+token)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &shopProcess{cmd: cmd, done: make(chan struct{})}
	first := make(chan string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			select {
			case first <- lines.Text():
			default: // the first line is all that matters
			}
		}
		p.err = cmd.Wait()
	}()
	select {
	case line := <-first:
		p.url = strings.TrimPrefix(line, "shop: ")
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("the shop did not start: %w", p.err)
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	}
}

// stop asks the shop to end, waits for it, and ends it when it takes too long.
func (p *shopProcess) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
