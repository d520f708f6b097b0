package adminapi

import (
	"sync"
	"time"

	"github.com/dimmerhq/dimmer/service/limit"
	"github.com/dimmerhq/dimmer/service/policy"
)

// Rate is how many requests a second are taken from one token, and how many at once.
type Rate = limit.Rate

// RateLimits bound what one caller can take from the others. One address may send twice as many as one token, for all tokens behind it together. Kills have a reserve of their own: whoever has used up all else can still kill.
type RateLimits struct {
	Admin    Rate // default: 500 a second, 1,000 at once
	Evaluate Rate // default: 20,000 a second and at once
	Kill     Rate // default: 50 a second, 100 at once
	SignIn   Rate // default: 1 a second, 30 at once; also of sessions that this process has to ask the store for
}

// class is what kind of request draws on which budget.
type class int

const (
	classOther class = iota
	classEvaluate
	classKill
	classSignIn
	classResume // a session that this process has to ask the store for
)

func classOf(op *operation) class {
	switch {
	case op.Action == policy.KillCreate:
		return classKill
	case op.Action == policy.SignIn:
		return classSignIn
	case op.evaluates():
		return classEvaluate
	}
	return classOther
}

// perAddress is how many tokens' budget one address has.
const perAddress = 2

// limits holds the budgets of each class. Their memory is bounded.
type limits struct {
	classes [5]budget
}

type budget struct{ tokens, addresses *limit.Buckets[string] }

func newLimits(r RateLimits) limits {
	of := func(r, standard Rate) budget {
		r = r.Or(standard)
		return budget{limit.New[string](r), limit.New[string](r.Times(perAddress))}
	}
	return limits{classes: [5]budget{
		classOther:    of(r.Admin, Rate{PerSecond: 500, Burst: 1000}),
		classEvaluate: of(r.Evaluate, Rate{PerSecond: 20_000, Burst: 20_000}),
		classKill:     of(r.Kill, Rate{PerSecond: 50, Burst: 100}),
		classSignIn:   of(r.SignIn, Rate{PerSecond: 1, Burst: 30}),
		classResume:   of(r.SignIn, Rate{PerSecond: 1, Burst: 30}),
	}}
}

// address takes one request from the budget of an address, or says how long to wait.
func (l *limits) address(c class, address string, now time.Time) error {
	return refuse(l.classes[c].addresses.Take(limit.Address(address), now))
}

// token takes one request from the budget of a token.
func (l *limits) token(c class, id string, now time.Time) error {
	return refuse(l.classes[c].tokens.Take(id, now))
}

func refuse(wait time.Duration) error {
	if wait > 0 {
		return &tooMany{wait: wait}
	}
	return nil
}

// Streams that may be open at once. Each takes two goroutines and a connection, and no part of the store.
const (
	maxStreams      = 2000 // of one process
	maxTokenStreams = 20   // of one token, or one session
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
