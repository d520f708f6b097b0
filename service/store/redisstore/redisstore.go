// Package redisstore keeps Dimmer's data in Redis: one server, a Sentinel set, or a cluster. It is the store for more than one node.
//
// A scope is five keys that share a hash tag, so that they live on one server and one script changes them together: the head (a hash, with the lineage and
// the log's checkpoint; all that is left of a dropped scope), the documents (a hash), the log (a stream; the entry of revision r has the id 0-r), and idempotency
// records (a hash, and a sorted set of when they expire). Presence has two more. Names that people chose are encoded in keys, and are field names otherwise.
//
// What Redis does not promise by itself:
//   - A commit is one script that compares head and lineage before its first write. The caller computed everything; Lua hashes nothing and decodes no JSON.
//   - Replication is asynchronous, so an acknowledged write may be lost with the primary. Each commit is followed by WAIT on its own connection, and what too
//     few replicas have is called unconfirmed.
//   - A Redis that was restarted, promoted or restored may have lost its newest writes, and would give their revisions to others. The head
//     records the replication id under which it was written. Where that has changed nobody commits before [Store.Reconcile] has compared what the
//     processes know with what is there, and raised the epoch unless it is a continuation.
//   - An empty Redis looks like a new one. A process that knows better answers [store.ErrEmptied] until an operator adopts it, and writes that down
//     for those that start later (life.go).
//
// The package must not decide anything about documents, and nothing of Redis leaves it but errors' names.
package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/dimmerhq/dimmer/service/store"
)

// Options are all optional.
type Options struct {
	// Prefix begins every key, so that several installations can share a Redis: 1 to 32 of a-z, 0-9, _ and -. Default "dimmer".
	Prefix string
	// Timeout bounds each answer of Redis; a server that does not answer in time is taken for dead. Default 3 s.
	Timeout time.Duration
	// WaitTimeout is how long a commit waits for the replicas before it is called unconfirmed. Default 1 s.
	WaitTimeout time.Duration
	// MinReplicas is how many replicas must have a commit for it to be confirmed; where more are connected, all of those must. Default 1 with Sentinel or Cluster,
	// which may promote a replica at any time, and 0 for one server: it has then to have appendfsync always. A partition that cuts a primary off together with fewer
	// than MinReplicas replicas confirms nothing, so with two replicas or more, 2 is safer and 1 is more available.
	MinReplicas int
	// Conception is how long the first commit of a store that looks new waits for a process that knows better; negative: not at all. Default 3 s.
	Conception time.Duration
	// TLS is used where the URL says rediss; nil: the system's roots.
	TLS *tls.Config
	// SentinelUsername and SentinelPassword are for the sentinels; the URL's are for the servers.
	SentinelUsername, SentinelPassword string
	// Archive is given the entries that Compact is about to drop, oldest first, in parts; an error keeps them. Entries may come twice.
	Archive func(ctx context.Context, scope string, entries []store.Entry) error
	Clock   func() time.Time // for the age of entries; default time.Now
	Random  io.Reader        // default crypto/rand
	Logger  *slog.Logger     // default: discards
}

// Store implements [store.Store]. All methods may be called concurrently.
type Store struct {
	opts    Options
	backend string
	client  redis.UniversalClient // everything that may safely be tried again
	writer  redis.UniversalClient // commits: never tried again behind our back
	watcher redis.UniversalClient // blocking reads, which would starve the others
	keys    keyspace
	address string // the URL without a password, for messages

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	readers sync.WaitGroup

	mu     sync.Mutex
	known  map[string]store.Head // the newest head seen of each scope, while its lineage was intact
	life   life                  // what is known of the store as a whole
	files  files                 // what is known of append-only files
	audits audits
	unsure map[string]string // what was done last to each scope that too few replicas had, for Check
	raised map[string]string // scope → what became of its history, for Check

	memory memory
	ahead  atomic.Int64 // milliseconds that idempotency's clock, which is Redis's, is taken to be ahead: tests let a day pass
}

var _ store.Store = (*Store)(nil)

// How many connections a process holds at most to a server: for commands, of which idleSize are kept, and for watches, each of which holds one. The client library
// stops dialling for a second after as many failures as a pool has places, so that small pools would make an outage longer.
const (
	poolSize    = 256
	idleSize    = 32
	watchesSize = 4096
)

// Open connects, and refuses a server that may evict what it stores, or is too old. An unreachable one is store.ErrUnavailable. URLs:
//
//	redis://[user:password@]host:port[/db]                         one server; rediss:// with TLS, here and below
//	redis+sentinel://[user:password@]h1:p1,h2:p2[/db]?master=NAME  sentinels
//	redis+cluster://[user:password@]h1:p1,h2:p2                    any nodes of a cluster
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	target, err := parse(url)
	if err != nil {
		return nil, err
	}
	if opts, err = opts.complete(target.backend); err != nil {
		return nil, err
	}
	quiet()
	s := &Store{
		opts: opts, backend: target.backend, keys: keyspace{prefix: opts.Prefix}, address: target.String(),
		known: map[string]store.Head{}, raised: map[string]string{}, unsure: map[string]string{},
		audits: audits{begun: map[string]string{}, running: map[string]bool{}, broken: map[string]string{}},
		files:  files{since: map[string]time.Time{}, asked: map[string]time.Time{}},
		life:   life{accepted: map[string]bool{}, registered: map[string]bool{}},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.client = target.connect(opts, 3, poolSize)
	s.writer = target.connect(opts, -1, poolSize)
	s.watcher = target.connect(opts, -1, watchesSize)
	if err := s.greet(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (o Options) complete(backend string) (Options, error) {
	if o.Prefix == "" {
		o.Prefix = "dimmer"
	}
	if !validPrefix(o.Prefix) {
		return o, fmt.Errorf("redisstore: %q cannot begin keys: 1 to 32 of a-z, 0-9, _ and -", o.Prefix)
	}
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.WaitTimeout <= 0 {
		o.WaitTimeout = time.Second
	}
	if o.Conception == 0 {
		o.Conception = conception
	}
	if o.MinReplicas <= 0 {
		o.MinReplicas = 1
		if backend == backendSingle {
			o.MinReplicas = 0
		}
	}
	if o.Archive == nil {
		o.Archive = func(context.Context, string, []store.Entry) error { return nil }
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// connect makes a client; it does not dial yet.
func (t target) connect(opts Options, retries, size int) redis.UniversalClient {
	u := &redis.UniversalOptions{
		Addrs: t.addrs, DB: t.db, Username: t.username, Password: t.password, MasterName: t.master,
		SentinelUsername: opts.SentinelUsername, SentinelPassword: opts.SentinelPassword,
		Protocol: 2, ContextTimeoutEnabled: true, DisableIdentity: true,
		MaxRetries: retries, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 200 * time.Millisecond,
		DialTimeout: opts.Timeout, DialerRetries: 1, ReadTimeout: opts.Timeout, WriteTimeout: opts.Timeout,
		PoolSize: size, MaxIdleConns: idleSize, PoolTimeout: opts.Timeout, ConnMaxIdleTime: 5 * time.Minute, PipelinePoolSize: -1,
		IsClusterMode:            t.backend == backendCluster,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if t.tls {
		u.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if opts.TLS != nil {
			u.TLSConfig = opts.TLS.Clone()
		}
	}
	return redis.NewUniversalClient(u)
}

// Close ends all watches, waits for them, and closes the connections.
func (s *Store) Close() error {
	s.mu.Lock()
	s.stop() // with the lock: start does not start what is not waited for
	s.mu.Unlock()
	err := errors.Join(ignoreClosed(s.watcher.Close()), ignoreClosed(s.client.Close()), ignoreClosed(s.writer.Close()))
	s.readers.Wait()
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, redis.ErrClosed) {
		return nil
	}
	return err
}

// begin checks what every method checks first.
func (s *Store) begin(ctx context.Context, scope string) error {
	if s.ctx.Err() != nil {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return store.CheckScope(scope)
}

// note remembers a head that was seen while its lineage was intact.
func (s *Store) note(scope string, head store.Head) {
	if head.Revision == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[scope].Cursor().Compare(head.Cursor()) < 0 {
		s.known[scope] = head
	}
}

func (s *Store) knows(scope string) claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return claim{s.known[scope], s.life.adopted}
}

// forget lets go of a scope that was dropped, leaving an empty head.
func (s *Store) forget(scope string, left store.Head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[scope].Epoch < left.Epoch {
		delete(s.known, scope)
	}
}

// knownScopes returns what was seen so far.
func (s *Store) knownScopes() map[string]store.Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.known)
}

// master returns the client of the server that has a key.
func (s *Store) master(ctx context.Context, client redis.UniversalClient, key string) (*redis.Client, error) {
	switch c := client.(type) {
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, key)
	case *redis.Client:
		return c, nil
	default:
		return nil, fmt.Errorf("redisstore: no client of this kind is made here: %T", client)
	}
}

// at returns the client of a cluster's primary at an address. One that is not known yet is as good as one that does not answer.
func (s *Store) at(ctx context.Context, addr string) (*redis.Client, error) {
	cluster, ok := s.writer.(*redis.ClusterClient)
	if !ok {
		return nil, errors.New("redisstore: there is one server only")
	}
	var mu sync.Mutex
	var found *redis.Client
	err := cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		if c.Options().Addr == addr {
			found = c
		}
		return nil
	})
	if err == nil && found == nil {
		err = &net.OpError{Op: "dial", Err: errors.New("redisstore: not a known server of the cluster")}
	}
	return found, err
}

// lost is called when a server of a cluster failed or moved: the client asks anew who has which slot. It does not wait.
func (s *Store) lost(ctx context.Context) {
	for _, client := range []redis.UniversalClient{s.writer, s.client, s.watcher} {
		if c, ok := client.(*redis.ClusterClient); ok {
			c.ReloadState(ctx)
		}
	}
}
