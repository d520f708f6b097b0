// Command shop is an example: a small web shop whose checkout, banner, shipping, theme and more are behind flags. It uses
// sdk/go and nothing else of Dimmer.
//
//	DIMMER_SDK_TOKEN=dms_… shop -dimmer 127.0.0.1:9090 -addr 127.0.0.1:8000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	dimmer "github.com/dimmerhq/dimmer/sdk/go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("shop", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "where the shop listens")
	server := flags.String("dimmer", "127.0.0.1:9090", "Dimmer's gRPC address")
	leash := flags.Bool("until-stdin-closes", false, "end when standard input does, and so with the process that holds its other end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client, err := dimmer.New(*server, dimmer.WithToken(os.Getenv("DIMMER_SDK_TOKEN")), dimmer.WithApplication("shop"),
		dimmer.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	if err != nil {
		return err // a wrong configuration; a server that is away is none, the shop works without it
	}
	defer client.Close()

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("-addr %s: %w", *addr, err)
	}
	if *leash {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() { // ends with the process at the latest
			_, _ = io.Copy(io.Discard, os.Stdin) // only its end matters
			cancel()
		}()
	}
	// Whoever started the shop reads this line to learn the port.
	fmt.Fprintf(out, "shop: http://%s\n", listener.Addr())
	return serve(ctx, listener, newShop(client))
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(ctx)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
