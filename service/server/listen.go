package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/dimmerhq/dimmer/service/config"
)

// listeners are what a process listens on. They are opened before anything else, so that a port in use is the first thing
// that one hears of, and no store is locked for nothing.
type listeners struct {
	http, grpc, metrics net.Listener // grpc and metrics may be nil
}

func listen(ctx context.Context, cfg config.Config) (*listeners, error) {
	l := &listeners{}
	open := func(into *net.Listener, option, variable, addr string) error {
		found, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s %s: the port is in use. Stop what uses it, or choose another with %s (or %s)", option, addr, option, variable)
		}
		if err != nil {
			return fmt.Errorf("%s %s: %w", option, addr, err)
		}
		*into = found
		return nil
	}
	err := open(&l.http, "--http", "DIMMER_HTTP", cfg.HTTP)
	if err == nil && cfg.Has(config.RoleEvaluation) {
		err = open(&l.grpc, "--grpc", "DIMMER_GRPC", cfg.GRPC)
	}
	if err == nil && cfg.Metrics != "" {
		err = open(&l.metrics, "--metrics", "DIMMER_METRICS", cfg.Metrics)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// close closes what is open; a listener that its server has closed already does not mind.
func (l *listeners) close() {
	for _, open := range []net.Listener{l.http, l.grpc, l.metrics} {
		if open != nil {
			_ = open.Close()
		}
	}
}

// Addresses are where a server listens, with the ports that the system chose. GRPC and Metrics may be empty.
type Addresses struct{ HTTP, GRPC, Metrics string }

func (l *listeners) addresses() Addresses {
	text := func(l net.Listener) string {
		if l == nil {
			return ""
		}
		return l.Addr().String()
	}
	return Addresses{HTTP: text(l.http), GRPC: text(l.grpc), Metrics: text(l.metrics)}
}

// tlsConfig is nil without a certificate. With an authority for clients, a client without a certificate of it is refused.
func tlsConfig(cfg config.Config) (*tls.Config, error) {
	if !cfg.TLS() {
		return nil, nil //nolint:nilnil // no TLS is an answer
	}
	certificate, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	if cfg.TLSClientCA == "" {
		return c, nil
	}
	text, err := os.ReadFile(cfg.TLSClientCA)
	if err != nil {
		return nil, fmt.Errorf("--tls-client-ca: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--tls-client-ca: %s holds no certificate", cfg.TLSClientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}
