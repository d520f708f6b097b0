package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// A store remembers of itself, in one hash beside the system scope (the record):
//
//	birth        random, from the store's first commit: another birth is another store, be it at the same address
//	lost         why everything here is refused that would begin anew: a process missed the system scope, and nobody has adopted that
//	scope:NAME   there were data of this scope: a process that knows nothing misses them as well
//	other:BIRTH  a process follows that birth and found something else here
//	gone:BIRTH   the operator has given that birth up; who follows it follows this store now
//
// Every process remembers the birth that it follows, and takes nothing from a store of another one that has not adopted it, so that an emptied Redis that somebody began
// anew by mistake is not followed. Each head tells under which birth its scope began; where that is none that is known, the record decides. A store that an
// earlier version made has no record; it gets one when it is first seen.
//
// What nobody is left to miss is not missed: where all processes ended before one of them looked at the emptied store, it is as good as new.

// conception is how long a store that looks new is watched before its first commit: a process that knows better looks every second, or comes back within two of an
// outage, and marks it as lost.
const conception = 3 * time.Second

const conceptionEvery = 250 * time.Millisecond

// claim is what a process knows of a scope, and the adoption that it had taken note of at that time: one that came later is about it.
type claim struct {
	head store.Head
	word string
}

// life is what this process remembers of the store. It is guarded by Store.mu.
type life struct {
	birth      string          // that is followed; empty: none yet
	accepted   map[string]bool // other births that scopes may have: given up, and gone on with
	registered map[string]bool // scopes that the record is known to have
	adopted    string          // the adoption that this process has taken note of
}

// record is what the store has written down.
type record struct {
	birth, lost  string
	scopes, gone map[string]bool
	others       map[string]string
}

func (s *Store) readRecord(ctx context.Context) (record, error) {
	r := record{scopes: map[string]bool{}, gone: map[string]bool{}, others: map[string]string{}}
	fields, err := s.client.HGetAll(ctx, s.keys.record()).Result()
	if err != nil {
		s.lost(ctx)
		return r, s.fail(ctx, "read the store's record", err)
	}
	r.birth, r.lost = fields["birth"], fields["lost"]
	for name, value := range fields {
		kind, of, _ := strings.Cut(name, ":")
		switch kind {
		case "scope":
			r.scopes[of] = true
		case "gone":
			r.gone[of] = true
		case "other":
			r.others[of] = value
		}
	}
	return r, nil
}

// recall is how a process begins: it follows whatever the store is.
func (s *Store) recall(ctx context.Context) error {
	word, err := s.client.Get(ctx, s.keys.adopted()).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return s.fail(ctx, "ask for an adoption", err)
	}
	r, err := s.readRecord(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = life{birth: r.birth, accepted: r.gone, registered: r.scopes, adopted: word}
	return nil
}

// verify refuses a head that belongs to another store than the one that is followed.
func (s *Store) verify(ctx context.Context, scope string, st status) error {
	if st.absent {
		return nil
	}
	if st.head.Revision == 0 && st.lost != "" {
		return s.refuse(st.lost) // what is left of an import that was given up
	}
	birth := st.birth
	if scope == store.System {
		birth = st.recorded
	}
	s.mu.Lock()
	known := birth != "" && (birth == s.life.birth || s.life.accepted[birth])
	s.mu.Unlock()
	switch {
	case known:
		return nil
	case birth != "":
		return s.judge(ctx, scope, birth)
	case scope != store.System || st.head.Revision == 0:
		return nil
	}
	_, err := s.bear(ctx, true) // an earlier version made it
	return err
}

// judge asks the record about a birth that is not known here. A process that knows no data follows whatever the store is.
func (s *Store) judge(ctx context.Context, scope, birth string) error {
	r, err := s.readRecord(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	mine := s.life.birth
	if r.birth == mine || r.birth != "" && r.gone[mine] || mine == "" || len(s.known) == 0 {
		s.life.birth, s.life.accepted = r.birth, r.gone
		s.life.accepted[birth] = true
		s.mu.Unlock()
		if _, noted := r.others[mine]; noted && r.gone[mine] {
			return s.fail(ctx, "judge", s.client.HDel(ctx, s.keys.record(), "other:"+mine).Err())
		}
		return nil
	}
	own := s.known[scope]
	why := fmt.Sprintf("it is another store than the one that is followed (birth %.8s, not %.8s): revision %d of %q was known", r.birth, mine, own.Revision, scope)
	s.mu.Unlock()
	note := fmt.Sprintf("at %s a process missed the store of birth %.8s here: revision %d of %q was known",
		s.opts.Clock().UTC().Format(time.RFC3339), mine, own.Revision, scope)
	if err := s.client.HSetNX(ctx, s.keys.record(), "other:"+mine, note).Err(); err != nil {
		s.opts.Logger.Debug("what is missed could not be written down", "err", err)
	}
	return s.refuse(why)
}

// refuse is the error of a store that an operator has to adopt first.
func (s *Store) refuse(why string) error {
	return fmt.Errorf("%w: %s. Bring the data back, or give up what is missing: dimmer adopt --store %s", store.ErrEmptied, why, s.address)
}

// missing asks, and writes down, what it means that a scope has no head. It returns the operator's last word when nothing is wrong with that, else ErrEmptied.
func (s *Store) missing(ctx context.Context, scope string, own claim) (word string, err error) {
	what, birth := "", ""
	if own.head.Revision > 0 {
		what = fmt.Sprintf("revision %d of %q was known", own.head.Revision, scope)
		s.mu.Lock()
		birth = s.life.birth
		s.mu.Unlock()
	}
	answer, err := s.eval(ctx, "ask what a missing head means", missingScript,
		[]string{s.keys.record(), s.keys.adopted(), s.keys.head(store.System)}, scope, own.word, what, birth)
	if err != nil {
		return "", err
	}
	list, ok := answer.([]any)
	if !ok || len(list) != 2 {
		return "", corrupt(fmt.Errorf("a script answered %T", answer))
	}
	verdict, _ := list[0].(string)
	text, _ := list[1].(string)
	if verdict == "lost" {
		if n, err := s.client.Exists(ctx, s.keys.head(scope)).Result(); what == "" && (err != nil || n > 0) {
			return "", errors.Join(errAppeared, s.fail(ctx, "ask what a missing head means", err))
		}
		if what != "" && what != text {
			text += "; here " + what
		}
		return "", s.refuse(text)
	}
	return text, nil
}

// errAppeared: a head that was missing is there by now, made by another process. It is to be asked for again.
var errAppeared = fmt.Errorf("%w: a scope appeared meanwhile", store.ErrUnavailable)

// giveUp forgets everything that was known before an adoption.
func (s *Store) giveUp(word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = life{accepted: map[string]bool{}, registered: map[string]bool{}, adopted: word}
	clear(s.known)
}

// register writes down, once for each process, that there are data of a scope.
func (s *Store) register(ctx context.Context, scope string) {
	s.mu.Lock()
	done := s.life.registered[scope]
	s.life.registered[scope] = true
	s.mu.Unlock()
	if done {
		return
	}
	if err := s.client.HSetNX(ctx, s.keys.record(), "scope:"+scope, "1").Err(); err != nil {
		s.mu.Lock()
		delete(s.life.registered, scope)
		s.mu.Unlock()
	}
}

// born returns the store's birth for a scope's first commit. The first of a store that looks new waits whether somebody knows better.
func (s *Store) born(ctx context.Context, scope string) (string, error) {
	if scope != store.System {
		return s.bear(ctx, false)
	}
	for waited := time.Duration(0); ; waited += conceptionEvery {
		r, err := s.readRecord(ctx)
		if err != nil {
			return "", err
		}
		s.mu.Lock()
		again := s.life.adopted != ""
		s.mu.Unlock()
		if r.birth != "" || r.lost != "" || again || waited >= s.opts.Conception {
			return s.bear(ctx, false)
		}
		if !pause(ctx, conceptionEvery) {
			return "", s.fail(ctx, "begin a store", ctx.Err())
		}
	}
}

// bear returns the store's birth, and gives it one when it has none; anyway: also when it is marked as lost, as an import may that brings the data back.
func (s *Store) bear(ctx context.Context, anyway bool) (string, error) {
	s.mu.Lock()
	mine := s.life.birth
	s.mu.Unlock()
	offer, force := mine, ""
	if offer == "" || !anyway {
		var err error
		if offer, err = s.random(); err != nil {
			return "", err
		}
	}
	if anyway {
		force = "1"
	}
	birth, err := s.say(ctx, "begin a store", bearScript, []string{s.keys.record()}, offer, force)
	switch {
	case err != nil:
		return "", err
	case birth == "lost":
		_, err := s.missing(ctx, store.System, claim{})
		return "", errors.Join(err, store.ErrUnavailable)
	case mine == "":
		s.mu.Lock()
		s.life.birth = birth
		s.mu.Unlock()
	case birth != mine:
		return birth, s.judge(ctx, store.System, birth)
	}
	return birth, nil
}

func (s *Store) random() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(s.opts.Random, raw[:]); err != nil {
		return "", fmt.Errorf("redisstore: no randomness: %w", err)
	}
	return hex.EncodeToString(raw[:]), nil
}

// Missing says what processes missed here that nobody has adopted yet, and Adopt would give up.
func (s *Store) Missing(ctx context.Context) ([]string, error) {
	r, err := s.readRecord(ctx)
	if err != nil {
		return nil, err
	}
	out := slices.Sorted(maps.Values(r.others))
	if r.lost != "" && !slices.Contains(out, r.lost) {
		out = append(out, r.lost)
	}
	for _, scope := range slices.Sorted(maps.Keys(r.scopes)) {
		n, err := s.client.Exists(ctx, s.keys.head(scope)).Result()
		if err != nil {
			return nil, s.fail(ctx, "look for what is missing", err)
		}
		if n == 0 {
			out = append(out, fmt.Sprintf("nothing is left of %q", scope))
		}
	}
	return out, nil
}

// Adopt implements [store.Store]. The other processes take note of it when they next find something missing, or another store.
func (s *Store) Adopt(ctx context.Context) error {
	if err := s.begin(ctx, store.System); err != nil {
		return err
	}
	unique, err := s.random()
	if err != nil {
		return err
	}
	word, err := s.say(ctx, "adopt", adoptScript, []string{s.keys.record(), s.keys.adopted(), s.keys.head(store.System)}, unique)
	if err != nil {
		return err
	}
	r, err := s.readRecord(ctx)
	if err != nil {
		return err
	}
	for scope := range r.scopes { // each may be on another server
		n, err := s.client.Exists(ctx, s.keys.head(scope)).Result()
		if err == nil && n == 0 {
			err = s.client.HDel(ctx, s.keys.record(), "scope:"+scope).Err()
		}
		if err != nil {
			return s.fail(ctx, "adopt", err)
		}
	}
	s.giveUp(word)
	s.await(ctx, "the adoption", store.System)
	return nil
}
