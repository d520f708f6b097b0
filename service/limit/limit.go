// Package limit bounds how much one caller can take from the others: a bucket of tokens for each caller, in bounded memory. It reads no clock and
// waits for nobody; who asks decides what becomes of a request that is over the limit.
package limit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how much is taken from one caller a second, and how much at once. The zero Rate means the default of where it stands; a negative PerSecond
// means no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Or is the rate, or the standard when it is zero.
func (r Rate) Or(standard Rate) Rate {
	if r == (Rate{}) {
		return standard
	}
	return r
}

// Times is n times as much, for callers that stand for several.
func (r Rate) Times(n int) Rate { return Rate{r.PerSecond * float64(n), r.Burst * n} }

// MaxCallers is how many callers Buckets remember; more are not told apart from new ones.
const MaxCallers = 10_000

// Buckets are one for each caller, who is told apart by a K. Idle callers are forgotten, which changes nothing for them. All methods may be called concurrently.
type Buckets[K comparable] struct {
	rate Rate

	mu    sync.Mutex
	known map[K]*rate.Limiter
	swept time.Time
}

// New makes Buckets without callers.
func New[K comparable](r Rate) *Buckets[K] {
	return &Buckets[K]{rate: r, known: map[K]*rate.Limiter{}}
}

// Take takes one from a caller's bucket. It returns how long the caller has to wait until there is one, to the nanosecond or so; 0: it is taken.
func (b *Buckets[K]) Take(caller K, now time.Time) time.Duration {
	if b.rate.PerSecond < 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.known[caller]
	if l == nil {
		if len(b.known) >= MaxCallers {
			b.forget(now)
		}
		l = rate.NewLimiter(rate.Limit(b.rate.PerSecond), b.rate.Burst)
		b.known[caller] = l
	}
	r := l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// Callers is how many are remembered.
func (b *Buckets[K]) Callers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.known)
}

// forget drops callers whose bucket is full, at most once a second; when there are none, any one. mu is held.
func (b *Buckets[K]) forget(now time.Time) {
	if now.Sub(b.swept) >= time.Second {
		b.swept = now
		for caller, l := range b.known {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(b.known, caller)
			}
		}
	}
	for caller := range b.known {
		if len(b.known) < MaxCallers {
			return
		}
		delete(b.known, caller)
	}
}

// Prefix is what of an address counts as one caller: an IPv4 address, or the first 64 bits of an IPv6 address, since whoever has one of those has
// all that begin alike. What is no address has the zero Prefix.
func Prefix(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits) // the error has the zero one
	return prefix
}

// Address is [Prefix] in words, of an address with or without a port. What it cannot read is returned as it is.
func Address(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		with, err := netip.ParseAddrPort(address)
		if err != nil {
			return address
		}
		ip = with.Addr()
	}
	prefix := Prefix(ip)
	if prefix.IsSingleIP() {
		return prefix.Addr().String()
	}
	return prefix.String()
}
