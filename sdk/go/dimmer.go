package dimmer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dimmerhq/dimmer/evaluator"
)

// Version is the SDK's version, as nodes see it.
const Version = "0.1.0"

// Client evaluates flags of one environment. It is made by [New], and one per process is enough.
type Client struct {
	rules  atomic.Pointer[evaluator.Snapshot] // nil: there is none yet
	counts *counter                           // nil: not counting
	stale  atomic.Bool                        // status.Stale, for the hot path

	config   *config
	notifier *notifier

	statusLock sync.Mutex
	status     Status
	staleTimer *time.Timer

	loadLock sync.Mutex // of Load

	ready     chan struct{} // closed when New need not wait any longer
	readyOnce sync.Once

	stop    context.CancelFunc // tells work and notifier to end
	work    sync.WaitGroup     // the stream and the cache file
	closing atomic.Bool
	closed  chan struct{} // closed when Close is done
}

// New makes a client for the environment of its token. addr names one node or several, separated by commas, each HOST:PORT; any of them
// will do.
//
// The error is about the configuration alone. New waits for the first ruleset, at most as long as [WithInitTimeout] says, and returns a
// working client in any case: without a node it answers from the cache file, the bootstrap or the fallbacks, and goes on trying.
func New(addr string, options ...Option) (*Client, error) {
	cfg, err := newConfig(addr, options)
	if err != nil {
		return nil, fmt.Errorf("dimmer: %w", err)
	}
	c := &Client{config: cfg, notifier: newNotifier(), ready: make(chan struct{}), closed: make(chan struct{})}
	c.status = Status{State: StateConnecting, Source: SourceNone}
	if cfg.offline {
		c.status.State = StateOffline
	}
	if cfg.counting {
		c.counts = newCounter()
	}
	c.staleTimer = time.AfterFunc(time.Hour, func() { c.setStatus(func(*Status) {}) })
	c.staleTimer.Stop()
	file := c.openCache()
	if err := c.startRules(file); err != nil {
		return nil, fmt.Errorf("dimmer: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.notifier.run(ctx)
	if cfg.offline {
		return c, nil
	}
	written := make(chan struct{})
	syncer := newSyncer(c)
	if file != nil {
		syncer.onStep = file.changed
		c.work.Go(func() { file.run(written, c) })
	}
	c.work.Go(func() {
		defer close(written)
		syncer.run(ctx)
	})
	c.await()
	return c, nil
}

// startRules puts the cache file's ruleset in place, or else the bootstrap's.
func (c *Client) startRules(file *cacheFile) error {
	if file != nil {
		if rules, fresh, ok := file.load(); ok {
			if fresh.After(time.Now()) {
				fresh = time.Time{} // the clock was put back: how old it is, nobody knows
			}
			c.install(rules, rules.Problems(), SourceCache, fresh)
		}
	}
	if c.config.bootstrap == nil {
		return nil
	}
	// Read even when it is not needed today: the day it is needed is a bad one to find out that it is broken.
	rules, err := readBootstrap(c.config.bootstrap)
	if err != nil {
		return err
	}
	if c.rules.Load() == nil {
		c.install(rules, rules.Problems(), SourceBootstrap, time.Time{})
	}
	return nil
}

func readBootstrap(read func() ([]byte, error)) (*evaluator.Snapshot, error) {
	data, err := read()
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	docs, err := evaluator.ParseRuleset(data)
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	rules, _ := evaluator.New(Revision{}, docs)
	return rules, nil
}

// install puts a ruleset in place and shows it in the status.
func (c *Client) install(rules *evaluator.Snapshot, news []evaluator.Problem, source Source, fresh time.Time) {
	c.swap(rules, news, source)
	c.setStatus(func(s *Status) { s.Source, s.Revision, s.Fresh = source, rules.Revision(), fresh })
}

// swap puts a ruleset in place and logs the problems that it brings. Every evaluation that begins after it returns uses it.
func (c *Client) swap(rules *evaluator.Snapshot, news []evaluator.Problem, source Source) {
	c.rules.Store(rules)
	for i, problem := range news {
		if i == maxLoggedProblems {
			c.config.logger.Warn("dimmer: more documents cannot be used", "count", len(news)-i)
			break
		}
		c.config.logger.Warn("dimmer: a document cannot be used", "source", source, "problem", problem.Error())
	}
}

const maxLoggedProblems = 10

// await waits until the first answer from a node, or the init timeout.
func (c *Client) await() {
	if c.config.initTimeout == 0 {
		return
	}
	timeout := time.NewTimer(c.config.initTimeout)
	defer timeout.Stop()
	select {
	case <-c.ready:
	case <-timeout.C:
		s := c.Status()
		c.config.logger.Warn("dimmer: no node has answered yet; going on without", "source", s.Source, "error", s.Err)
	}
}

func (c *Client) markReady() { c.readyOnce.Do(func() { close(c.ready) }) }

// Load replaces the ruleset of an offline client by one in JSON; evaluations that begin after it returns use it. It is for tests and tools that
// have rulesets of their own. The error says that the text as a whole is no ruleset, or that the client is not offline or is closed; a flag
// that cannot be compiled is quarantined alone.
func (c *Client) Load(ruleset []byte) error {
	if c == nil || !c.config.offline {
		return errors.New("dimmer: Load is for clients made with WithOffline")
	}
	docs, err := evaluator.ParseRuleset(append([]byte(nil), ruleset...))
	if err != nil {
		return fmt.Errorf("dimmer: %w", err)
	}
	c.loadLock.Lock()
	defer c.loadLock.Unlock()
	if c.Status().State == StateClosed {
		return errors.New("dimmer: the client is closed")
	}
	before := c.rules.Load()
	rev := before.Revision()
	after, problems := evaluator.New(Revision{Epoch: rev.Epoch, Number: rev.Number + 1}, docs)
	c.install(after, problems, SourceLoad, time.Now())
	c.tellChange(before, after, nil)
	return nil
}

// tellChange tells those who subscribed to changes. It costs nothing when there is nobody. Changes may be nil: then all documents are compared.
func (c *Client) tellChange(before, after *evaluator.Snapshot, changes []evaluator.Document) {
	if len(c.notifier.onChange.all()) == 0 {
		return
	}
	if changes == nil {
		changes = difference(before, after)
	}
	if flags := affected(before, after, changes); len(flags) > 0 {
		c.notifier.rulesChanged(after.Revision(), flags)
	}
}

// Close says goodbye to the node, writes the cache file and ends all that the client started; it waits a second at
// most for the node, and as long as it takes to write the file. Evaluations go on with the last ruleset. Close does not wait for a callback
// that has begun, so that a callback may call it, and none follows that one; closing itself is not told to callbacks. Calls after the first wait for the first to be done. The error is always nil; it makes *Client an io.Closer.
func (c *Client) Close() error {
	if c == nil {
		return nil
	}
	if c.closing.Swap(true) {
		<-c.closed
		return nil
	}
	c.stop()
	c.work.Wait()
	c.setStatus(func(s *Status) { s.State, s.Err = StateClosed, nil })
	c.statusLock.Lock()
	c.staleTimer.Stop()
	c.statusLock.Unlock()
	c.notifier.stop()
	close(c.closed)
	return nil
}
