// Package config is everything that `dimmer serve` can be told, as one struct: parsed from flags and environment by the
// command line (the tags are kong's), checked here. It must not open anything.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config is the configuration of one process. The zero value is not valid: the command line fills in the defaults.
type Config struct {
	Dev     bool   `help:"Development: loopback only, keeps an admin and SDK tokens in the data folder, makes an example project."`
	Store   string `default:"local:.dimmer" placeholder:"URL" env:"DIMMER_STORE" help:"local:DIR, redis://…, redis+sentinel://host,host/?master=NAME or redis+cluster://host,host."`
	HTTP    string `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" env:"DIMMER_HTTP" help:"Address of the admin API and UI."`
	GRPC    string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" env:"DIMMER_GRPC" help:"Address of the evaluation and sync services."`
	Metrics string `default:"127.0.0.1:9464" placeholder:"ADDR" env:"DIMMER_METRICS" help:"Address of /metrics and profiling; empty for none."`

	Roles []string `default:"admin,evaluation,controller" env:"DIMMER_ROLES" help:"What this process does."`
	Node  string   `env:"DIMMER_NODE" placeholder:"NAME" help:"The node's name in receipts (default: host name and a random part)."`

	TLSCert        string `name:"tls-cert" type:"path" env:"DIMMER_TLS_CERT" placeholder:"FILE" help:"Certificate chain for both listeners, PEM."`
	TLSKey         string `name:"tls-key" type:"path" env:"DIMMER_TLS_KEY" placeholder:"FILE" help:"Its key, PEM."`
	TLSClientCA    string `name:"tls-client-ca" type:"path" env:"DIMMER_TLS_CLIENT_CA" placeholder:"FILE" help:"Refuse clients that show no certificate of this authority."`
	InsecureListen bool   `env:"DIMMER_INSECURE_LISTEN" help:"Listen beyond loopback without TLS: tokens then travel in the clear."`

	TrustedProxies []string `name:"trusted-proxies" env:"DIMMER_TRUSTED_PROXIES" placeholder:"CIDR" help:"Addresses or networks of proxies before --http whose X-Forwarded-For is believed, for rate limits and the log."`

	NewAdminToken bool `name:"new-admin-token" help:"Make another admin token at this start and show it, for when all others are lost."`

	MinReplicas int           `env:"DIMMER_MIN_REPLICAS" placeholder:"N" help:"Redis: a write is confirmed by at least this many replicas (default: 1 with Sentinel and Cluster, else 0)."`
	SessionLife time.Duration `name:"session-life" default:"24h" env:"DIMMER_SESSION_LIFE" help:"How long a browser stays signed in to the web UI, if its token lasts: 1m to 720h."`
	Drain       time.Duration `default:"10s" env:"DIMMER_DRAIN" help:"How long streams get to leave when the process ends."`
	LogLevel    string        `default:"info" enum:"debug,info,warn,error" env:"DIMMER_LOG_LEVEL" help:"debug, info, warn or error."`
	LogFormat   string        `default:"text" enum:"text,json" env:"DIMMER_LOG_FORMAT" help:"text or json."`
}

// The roles of a process.
const (
	RoleAdmin      = "admin"
	RoleEvaluation = "evaluation"
	RoleController = "controller"
)

// Has reports whether the process plays the role.
func (c Config) Has(role string) bool { return slices.Contains(c.Roles, role) }

// TLS reports whether the listeners speak TLS.
func (c Config) TLS() bool { return c.TLSCert != "" }

// LocalDir is the folder of an embedded store, and whether there is one.
func (c Config) LocalDir() (string, bool) { return strings.CutPrefix(c.Store, "local:") }

// Normalise completes what one option implies for another. With Dev, an address without a host is loopback.
func (c Config) Normalise() Config {
	if c.Dev {
		for _, addr := range []*string{&c.HTTP, &c.GRPC, &c.Metrics} {
			if strings.HasPrefix(*addr, ":") {
				*addr = "127.0.0.1" + *addr
			}
		}
	}
	return c
}

// Validate reports the first thing that cannot work, with the option to change.
func (c Config) Validate() error {
	if err := c.ValidateStore(); err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	if _, local := c.LocalDir(); c.Dev && !local {
		return fmt.Errorf("--dev keeps its tokens in the data folder: use it with --store local:DIR")
	}
	for _, role := range c.Roles {
		if role != RoleAdmin && role != RoleEvaluation && role != RoleController {
			return fmt.Errorf("--roles: %q is not a role; there are admin, evaluation and controller", role)
		}
	}
	if len(c.Roles) == 0 {
		return fmt.Errorf("--roles: a process needs at least one of admin, evaluation, controller")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return fmt.Errorf("--tls-cert and --tls-key belong together")
	}
	if c.SessionLife != 0 && (c.SessionLife < time.Minute || c.SessionLife > 720*time.Hour) {
		return fmt.Errorf("--session-life %s: it must lie between 1m and 720h", c.SessionLife)
	}
	if c.TLSClientCA != "" && !c.TLS() {
		return fmt.Errorf("--tls-client-ca needs --tls-cert and --tls-key")
	}
	if _, err := c.Proxies(); err != nil {
		return err
	}
	return c.validateListeners()
}

// Proxies are the networks of TrustedProxies.
func (c Config) Proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range c.TrustedProxies {
		p, err := netip.ParsePrefix(text)
		if a, notPrefix := netip.ParseAddr(text); err != nil && notPrefix == nil && a.Zone() == "" {
			p, err = a.Prefix(a.BitLen())
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", text)
		case p.Bits() == 0:
			return nil, fmt.Errorf("--trusted-proxies: %s is everybody, and everybody could then say who he is", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// ValidateStore looks at the store alone. The message does not name the option, which not every command calls --store.
func (c Config) ValidateStore() error {
	scheme, rest, ok := strings.Cut(c.Store, ":")
	if !ok || rest == "" {
		return fmt.Errorf("%q is not local:DIR or a Redis URL", c.Store)
	}
	switch scheme {
	case "local", "redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster":
		return nil
	}
	return fmt.Errorf("unknown kind %q; there are local:, redis://, redis+sentinel:// and redis+cluster://", scheme)
}

func (c Config) validateListeners() error {
	for _, l := range []struct{ option, addr string }{{"--http", c.HTTP}, {"--grpc", c.GRPC}, {"--metrics", c.Metrics}} {
		if l.addr == "" && l.option == "--metrics" || l.option == "--grpc" && !c.Has(RoleEvaluation) {
			continue // not opened
		}
		loopback, err := isLoopback(l.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", l.option, err)
		}
		switch {
		case loopback:
		case c.Dev:
			return fmt.Errorf("%s %s: --dev binds to loopback only; use 127.0.0.1, or leave --dev away", l.option, l.addr)
		case l.option == "--metrics":
			// Metrics hold no secret; who may read them is the network's business.
		case !c.TLS() && !c.InsecureListen:
			return fmt.Errorf("%s %s is reachable from other machines, and without TLS tokens would travel in the clear: "+
				"give --tls-cert and --tls-key, bind to 127.0.0.1, or say --insecure-listen if something in front does TLS", l.option, l.addr)
		}
	}
	return nil
}

func isLoopback(addr string) (bool, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return false, fmt.Errorf("%q is not HOST:PORT", addr)
	}
	if host == "localhost" {
		return true, nil
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback(), nil
}
