package dimmer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
)

// Option configures a client.
type Option func(*config)

// What holds unless an option says otherwise.
const (
	defaultInitTimeout = 5 * time.Second
	defaultStaleAfter  = time.Minute
)

type config struct {
	endpoints   []string
	token       string
	application string
	instance    string
	tls         *tls.Config
	insecure    bool
	dialOptions []grpc.DialOption
	initTimeout time.Duration
	staleAfter  time.Duration
	cacheDir    string
	bootstrap   func() ([]byte, error)
	offline     bool
	counting    bool
	logger      *slog.Logger

	// For tests.
	random func() float64 // uniform in [0, 1)
	dial   dialer
	limits limits
}

// WithToken names the server token of the environment. Needed unless the client is offline.
func WithToken(token string) Option { return func(c *config) { c.token = token } }

// WithEndpoints adds nodes, each HOST:PORT, to those given to [New]. The client begins with a random one and goes to the next when one
// fails, so that nodes share the load.
func WithEndpoints(endpoints ...string) Option {
	endpoints = slices.Clone(endpoints)
	return func(c *config) { c.endpoints = append(c.endpoints, endpoints...) }
}

// WithApplication names the application, for the people who look at the list of instances; at most 128 bytes.
func WithApplication(name string) Option { return func(c *config) { c.application = name } }

// WithInstance names this process where the default (host name, process id and a random part) is not wanted: 1…128 printable ASCII
// characters, unique among all processes that use the environment. Receipts of a kill name an instance by it.
func WithInstance(name string) Option { return func(c *config) { c.instance = name } }

// WithTLS connects with this TLS configuration (private roots, a client certificate), to loopback too. Without it the system's roots
// are used, and loopback is reached without TLS.
func WithTLS(tlsConfig *tls.Config) Option {
	return func(c *config) { c.tls = tlsConfig.Clone() }
}

// WithInsecure connects without TLS to any host. The token then travels in the clear: for a mesh that encrypts by itself.
func WithInsecure() Option { return func(c *config) { c.insecure = true } }

// WithDialOptions adds options of gRPC: a proxy's dialer, interceptors, statistics.
func WithDialOptions(options ...grpc.DialOption) Option {
	options = slices.Clone(options)
	return func(c *config) { c.dialOptions = append(c.dialOptions, options...) }
}

// WithInitTimeout limits how long [New] waits for the first ruleset from the stream, 5 s by default; 0: it does not wait.
func WithInitTimeout(d time.Duration) Option { return func(c *config) { c.initTimeout = d } }

// WithStaleAfter says for how long a ruleset counts as fresh when no node confirms it, a minute by default; 0: for ever. Afterwards
// details carry the reason STALE and the status says so; the answers stay what they were.
func WithStaleAfter(d time.Duration) Option { return func(c *config) { c.staleAfter = d } }

// WithCache keeps the newest ruleset in a directory, so that the process starts with it when no node can be reached. The directory is
// made if it is missing; the files are readable by their owner alone, checksummed, of two generations, and used by clients with the
// same token only. Several environments and several processes may share a directory.
func WithCache(dir string) Option { return func(c *config) { c.cacheDir = dir } }

// WithBootstrap gives the ruleset, as JSON, that holds until something newer is there. It may come from go:embed.
func WithBootstrap(ruleset []byte) Option {
	ruleset = slices.Clone(ruleset)
	return func(c *config) { c.bootstrap = func() ([]byte, error) { return ruleset, nil } }
}

// WithBootstrapFS is [WithBootstrap] with a file, such as one in an [embed.FS].
func WithBootstrapFS(fsys fs.FS, name string) Option {
	return func(c *config) { c.bootstrap = func() ([]byte, error) { return fs.ReadFile(fsys, name) } }
}

// WithOffline connects to nothing: the cache file, then the bootstrap, then the fallbacks answer. It needs neither endpoint nor token.
func WithOffline() Option { return func(c *config) { c.offline = true } }

// WithCounting counts evaluations by flag and variant; see [Client.Counts]. It costs a few nanoseconds each.
func WithCounting() Option { return func(c *config) { c.counting = true } }

// WithLogger sends what the client has to say (connected, lost, refused, a damaged flag) to a logger instead of [slog.Default]. Contexts and
// tokens are never logged.
func WithLogger(logger *slog.Logger) Option { return func(c *config) { c.logger = logger } }

// newConfig applies the options and checks the whole.
func newConfig(addr string, options []Option) (*config, error) {
	c := &config{
		initTimeout: defaultInitTimeout, staleAfter: defaultStaleAfter, logger: slog.Default(),
		random: rand.Float64, limits: defaultLimits,
	}
	for _, endpoint := range strings.Split(addr, ",") {
		if endpoint = strings.TrimSpace(endpoint); endpoint != "" {
			c.endpoints = append(c.endpoints, endpoint)
		}
	}
	for _, option := range options {
		if option != nil {
			option(c)
		}
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if c.instance == "" {
		c.instance = instanceName()
	}
	return c, errors.Join(c.checkNames(), c.checkConnection())
}

func (c *config) checkNames() error {
	var errs []error
	if len(c.instance) > maxName || !printable(c.instance) {
		errs = append(errs, fmt.Errorf("WithInstance: %q is not 1…%d printable ASCII characters", c.instance, maxName))
	}
	if len(c.application) > maxName {
		errs = append(errs, fmt.Errorf("WithApplication: the name has %d bytes; at most %d", len(c.application), maxName))
	}
	if c.initTimeout < 0 {
		errs = append(errs, errors.New("WithInitTimeout: is negative"))
	}
	if c.staleAfter < 0 {
		errs = append(errs, errors.New("WithStaleAfter: is negative"))
	}
	return errors.Join(errs...)
}

func (c *config) checkConnection() error {
	if c.offline {
		if c.cacheDir != "" && c.token == "" {
			return errors.New("WithCache needs WithToken, which says whose file to read")
		}
		return nil
	}
	var errs []error
	if len(c.endpoints) == 0 {
		errs = append(errs, errors.New("no endpoint: give New an address such as 127.0.0.1:9090, or WithOffline"))
	}
	for _, endpoint := range c.endpoints {
		if host, port, err := net.SplitHostPort(endpoint); err != nil || host == "" || port == "" {
			if tokenShape.MatchString(endpoint) {
				endpoint = endpoint[:len("dms_")] + "…" // arguments in the wrong order must not end up in a log
			}
			errs = append(errs, fmt.Errorf("endpoint %q is not HOST:PORT", endpoint))
		}
	}
	if c.insecure && c.tls != nil {
		errs = append(errs, errors.New("WithInsecure and WithTLS exclude each other"))
	}
	return errors.Join(append(errs, checkToken(c.token))...)
}

// tokenShape is how tokens of all kinds begin.
var tokenShape = regexp.MustCompile(`^dm[a-z]_`)

// checkToken refuses what cannot be a server token. The error never holds the token.
func checkToken(token string) error {
	if token == "" {
		return errors.New("no token: WithToken takes the environment's server token (dms_…)")
	}
	if !printable(token) || strings.Contains(token, " ") {
		return errors.New("WithToken: the token holds a space, a line break or another character that no token has")
	}
	for prefix, kind := range map[string]string{"dma_": "an admin", "dmc_": "a client", "dmk_": "a kill"} {
		if strings.HasPrefix(token, prefix) {
			return fmt.Errorf("WithToken: this is %s token; an SDK on a server takes a server token (dms_…)", kind)
		}
	}
	return nil
}

// maxName is the limit of the protocol for the names in a Hello, in bytes.
const maxName = 128

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// instanceName is unique for each client of each process, and begins with what people know the process by.
func instanceName() string {
	host, err := os.Hostname()
	if err != nil || !printable(host) {
		host = "host"
	}
	unique := fmt.Sprintf("-%d-%08x", os.Getpid(), rand.Uint32())
	return host[:min(len(host), maxName-len(unique))] + unique
}

// isLoopback says whether what is sent to the endpoint stays on this machine.
func isLoopback(endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
