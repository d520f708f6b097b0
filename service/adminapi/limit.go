package adminapi

import (
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/service/policy"
	"golang.org/x/time/rate"
)

// Rate is how many requests a second are taken from one token, and how many at once. The zero Rate means the default; a negative PerSecond
// means no limit. One address may send twice as many, for all tokens behind it together.
type Rate struct {
	PerSecond float64
	Burst     int
}

// RateLimits bound what one caller can take from the others. Kills have a reserve of their own: whoever has used up all else can still kill.
type RateLimits struct {
	Admin    Rate // default: 500 a second, 1,000 at once
	Evaluate Rate // default: 20,000 a second and at once
	Kill     Rate // default: 50 a second, 100 at once
}

// class is what kind of request draws on which budget.
type class int

const (
	classOther class = iota
	classEvaluate
	classKill
)

func classOf(op *operation) class {
	switch {
	case op.Action == policy.KillCreate:
		return classKill
	case op.evaluates():
		return classEvaluate
	}
	return classOther
}

// limits holds a bucket for each class and caller. Its memory is bounded: idle callers are forgotten.
type limits struct {
	classes [3]*buckets
}

func newLimits(r RateLimits) limits {
	return limits{classes: [3]*buckets{
		classOther:    newBuckets(r.Admin, Rate{500, 1000}),
		classEvaluate: newBuckets(r.Evaluate, Rate{20_000, 20_000}),
		classKill:     newBuckets(r.Kill, Rate{50, 100}),
	}}
}

// take takes one request from a caller's budget, or says how long to wait.
func (l *limits) take(c class, caller string, now time.Time) error {
	if wait := l.classes[c].take(caller, now); wait > 0 {
		return &tooMany{wait: wait}
	}
	return nil
}

// maxCallers is how many callers a class remembers; more are not told apart from new ones.
const maxCallers = 10_000

type buckets struct {
	rate Rate // negative: no limit

	mu    sync.Mutex
	known map[string]*rate.Limiter
	swept time.Time
}

func newBuckets(r, standard Rate) *buckets {
	if r == (Rate{}) {
		r = standard
	}
	return &buckets{rate: r, known: map[string]*rate.Limiter{}}
}

// take returns how long the caller has to wait; 0: the request is taken.
func (b *buckets) take(caller string, now time.Time) time.Duration {
	if b.rate.PerSecond < 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.known[caller]
	if l == nil {
		if len(b.known) >= maxCallers {
			b.forget(now)
		}
		n := 1
		if len(caller) > 8 && caller[:8] == "address " {
			n = 2
		}
		l = rate.NewLimiter(rate.Limit(b.rate.PerSecond*float64(n)), b.rate.Burst*n)
		b.known[caller] = l
	}
	r := l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// forget drops callers whose bucket is full, at most once a second; when there are none, any one.
func (b *buckets) forget(now time.Time) {
	if now.Sub(b.swept) >= time.Second {
		b.swept = now
		for caller, l := range b.known {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(b.known, caller)
			}
		}
	}
	for caller := range b.known {
		if len(b.known) < maxCallers {
			return
		}
		delete(b.known, caller)
	}
}

// Streams that may be open at once. Each follows the log by itself, which takes a connection to the store.
const (
	maxStreams      = 200 // of one process
	maxTokenStreams = 20  // of one token
)

// streams counts open streams of events.
type streams struct {
	mu    sync.Mutex
	all   int
	known map[string]int // by principal
}

// enter counts a stream in, or refuses it. leave must be called once.
func (s *streams) enter(who string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.known[who] >= maxTokenStreams {
		return nil, &tooMany{wait: 10 * time.Second}
	}
	if s.known == nil {
		s.known = map[string]int{}
	}
	s.all++
	s.known[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.known[who]--; s.known[who] == 0 {
			delete(s.known, who)
		}
	}, nil
}
