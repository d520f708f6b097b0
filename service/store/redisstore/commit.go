package redisstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

const (
	idempotencyKept = 24 * time.Hour
	// A commit that certainly did not happen is sent again for so long, for what passes by itself (a slot that moves), and so often where something is to be looked at first.
	commitWithin = 2 * time.Second
	commitPause  = 40 * time.Millisecond
	commitTries  = 4
	// A replica that has not spoken for this many seconds (it does each second) is not waited for as long as the others.
	silentReplica = 3
	silentWait    = 100 * time.Millisecond
)

// Commit implements [store.Store]. The script and WAIT go over one connection, pinned, to the server that has the scope: WAIT speaks of
// the writes of its own connection. What broke off after the script was sent has an unknown fate and is ErrUnavailable.
func (s *Store) Commit(ctx context.Context, txn store.Txn) (store.Committed, error) {
	if err := s.begin(ctx, txn.Scope); err != nil {
		return store.Committed{}, err
	}
	if err := txn.Check(); err != nil {
		return store.Committed{}, err
	}
	birth := ""
	if txn.Base.Revision == 0 {
		var err error
		if err := s.present(ctx, txn.Scope); err != nil {
			return store.Committed{}, err
		}
		if _, err := s.look(ctx, txn.Scope); err != nil {
			return store.Committed{}, err
		}
		if birth, err = s.born(ctx, txn.Scope); err != nil {
			return store.Committed{}, err
		}
	}
	args, err := s.commitArgs(txn, birth)
	if err != nil {
		return store.Committed{}, err
	}
	until, asked := time.Now().Add(commitWithin), ""
	for try := 1; ; try++ {
		word, durability, err := s.attempt(ctx, txn, args, asked)
		asked = ""
		switch {
		case err != nil && notExecuted(err) && time.Now().Before(until) && ctx.Err() == nil:
			s.lost(ctx)
			if asked = askedFor(err); asked == "" && !pause(ctx, time.Duration(min(try, 4))*commitPause) {
				return store.Committed{}, s.fail(ctx, "commit", err)
			}
			continue
		case errors.Is(err, store.ErrFull):
			return store.Committed{}, err
		case err != nil:
			s.lost(ctx)
			if k := kindOf(err); k == "ERR" || k == "error" {
				s.suspect(txn.Scope) // the script found something that it does not expect
			}
			return store.Committed{}, s.fail(ctx, "commit", err)
		case word == "lineage" && try < commitTries:
			// Another server, or it was restarted. Where the epoch is raised now, the next try finds that the head has moved.
			if _, err := s.look(ctx, txn.Scope); err != nil {
				return store.Committed{}, err
			}
			continue
		}
		return s.answer(ctx, txn, word, durability)
	}
}

// answer turns the script's word into the contract's.
func (s *Store) answer(ctx context.Context, txn store.Txn, word string, durability store.Durability) (store.Committed, error) {
	switch word {
	case "ok":
		s.note(txn.Scope, txn.Entry.Head())
		if txn.Base.Revision == 0 {
			s.register(ctx, txn.Scope)
		}
		return store.Committed{Head: txn.Entry.Head(), Durability: durability}, nil
	case "duplicate":
		return store.Committed{}, store.ErrDuplicate
	case "conflict", "lineage", "emptied":
		if _, err := s.look(ctx, txn.Scope); errors.Is(err, store.ErrEmptied) {
			return store.Committed{}, err // there is no head that could have moved
		}
		return store.Committed{}, store.ErrConflict
	}
	return store.Committed{}, corrupt(fmt.Errorf("commit answered %q", word))
}

// pause waits, or answers false when the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Store) commitArgs(txn store.Txn, birth string) ([]any, error) {
	text, err := json.Marshal(txn.Entry)
	if err != nil {
		return nil, fmt.Errorf("redisstore: encode an entry: %w", err)
	}
	id, record, urgent := "", []byte(nil), ""
	if i := txn.Idempotency; i != nil {
		id, record = idemID(i.Key), encodeRecord(store.Record{Request: i.Request, Answer: i.Answer, Revision: txn.Entry.Revision})
	}
	if txn.Class != store.ClassNormal {
		urgent = "1"
	}
	args := []any{
		txn.Base.Epoch, txn.Base.Revision, txn.Base.Hash.String(), txn.Entry.Epoch, txn.Entry.Hash.String(), text,
		id, record, idempotencyKept.Milliseconds(), urgent, s.ahead.Load(), birth, 0,
	}
	n := 0
	for _, c := range txn.Entry.Changes {
		if len(c.After) > 0 {
			args = append(args, field(c.Key), c.After)
			n++
		}
	}
	args[12] = n
	for _, c := range txn.Entry.Changes {
		if len(c.After) == 0 {
			args = append(args, field(c.Key))
		}
	}
	return args, nil
}

// attempt commits once, over one connection, to the server that has the scope, or to the one that another has asked to turn to. Its error is the client's.
func (s *Store) attempt(ctx context.Context, txn store.Txn, args []any, asked string) (string, store.Durability, error) {
	keys := []string{
		s.keys.head(txn.Scope), s.keys.docs(txn.Scope), s.keys.log(txn.Scope),
		s.keys.idem(txn.Scope), s.keys.idemEnd(txn.Scope),
	}
	if txn.Scope == store.System && txn.Base.Revision == 0 {
		keys = append(keys, s.keys.record())
	}
	client, err := s.master(ctx, s.writer, keys[0])
	if asked != "" {
		client, err = s.at(ctx, asked)
	}
	if err != nil {
		return "", "", err
	}
	if txn.Class == store.ClassNormal {
		if err := s.room(ctx, client, txn.Entry.Size()); err != nil {
			return "", "", err
		}
	}
	conn := client.Conn()
	defer conn.Close()

	// The replicas are counted after the write and in the same round trip: a count from before may miss one that was promoted since.
	var sent *redis.Cmd
	var info *redis.StringCmd
	var config *redis.MapStringStringCmd
	send := func(whole bool) {
		_, _ = conn.Pipelined(ctx, func(p redis.Pipeliner) error {
			if asked != "" {
				p.Do(ctx, "ASKING") // it holds for the next command
			}
			if whole {
				sent = p.Eval(ctx, commitScript.text, keys, args...)
			} else {
				sent = p.EvalSha(ctx, commitScript.sha, keys, args...)
			}
			info = p.Info(ctx, "replication")
			if s.opts.MinReplicas == 0 {
				config = p.ConfigGet(ctx, "*append*")
			}
			return nil
		})
	}
	if send(false); unknownScript(sent.Err()) {
		send(true)
	}
	word, err := sent.Text()
	word, doubt, _ := strings.Cut(word, " ")
	if err != nil || word != "ok" {
		return word, store.Unconfirmed, err
	}
	if doubt != "" && !s.settled(ctx, client, keys[0], doubt) {
		return word, store.Unconfirmed, nil
	}
	return word, s.durable(ctx, conn, info.Val(), config != nil && synced(config.Val())), nil
}

// synced tells whether every answer waits for the disk. With no-appendfsync-on-rewrite none does while the file is rewritten.
func synced(config map[string]string) bool {
	return config["appendonly"] == "yes" && config["appendfsync"] == "always" && config["no-appendfsync-on-rewrite"] == "no"
}

// durable waits until the replicas have what was written over the connection. Nothing that goes wrong here undoes the commit.
func (s *Store) durable(ctx context.Context, conn *redis.Conn, info string, synced bool) store.Durability {
	online, silent := replicas(info)
	switch {
	case info == "" || online < s.opts.MinReplicas:
		return store.Unconfirmed
	case online == 0 && synced:
		return store.Confirmed // on disk before the answer
	case online == 0:
		return store.Unconfirmed
	}
	limit := s.opts.WaitTimeout
	if silent {
		limit = min(limit, silentWait)
	}
	ctx, cancel := context.WithTimeout(ctx, limit+s.opts.Timeout)
	defer cancel()
	if n, err := conn.Wait(ctx, online, limit).Result(); err != nil || int(n) < online {
		return store.Unconfirmed
	}
	return store.Confirmed
}

// replicas counts those that are online in INFO's replication section, and tells whether one has been silent. One that is still being filled is not
// waited for: it has an older offset than those that have the commit, so that it is not what Sentinel or a cluster promotes while they live.
func replicas(info string) (online int, silent bool) {
	for line := range strings.Lines(info) {
		name, value, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found || !strings.HasPrefix(name, "slave") || !strings.Contains(value, "state=online") {
			continue
		}
		online++
		if _, after, found := strings.Cut(value, "lag="); found {
			text, _, _ := strings.Cut(after, ",")
			lag, err := strconv.Atoi(text)
			silent = silent || err != nil || lag >= silentReplica
		}
	}
	return online, silent
}

// A record is 32 bytes of the request's hash, the revision as 8 bytes, big-endian, and the answer.
func encodeRecord(r store.Record) []byte {
	out := append([]byte(nil), r.Request[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(r.Revision))
	return append(out, r.Answer...)
}

func decodeRecord(text string) (store.Record, error) {
	const fixed = len(store.Hash{}) + 8
	if len(text) < fixed {
		return store.Record{}, corrupt(errors.New("an idempotency record is too short"))
	}
	var r store.Record
	copy(r.Request[:], text)
	r.Revision = int64(binary.BigEndian.Uint64([]byte(text[len(r.Request):fixed])))
	r.Answer = []byte(text[fixed:])
	if r.Revision < 1 {
		return store.Record{}, corrupt(errors.New("an idempotency record without a revision"))
	}
	return r, nil
}

// Recorded implements [store.Store].
func (s *Store) Recorded(ctx context.Context, scope, key string) (store.Record, bool, error) {
	if err := s.begin(ctx, scope); err != nil {
		return store.Record{}, false, err
	}
	answer, err := s.eval(ctx, "look up an idempotency key", recordedScript, []string{s.keys.idem(scope), s.keys.idemEnd(scope)}, idemID(key), s.ahead.Load())
	if err != nil {
		return store.Record{}, false, err
	}
	text, found := answer.(string)
	if !found {
		// Nothing, in a scope that has vanished, is not "never": the commit may have been acknowledged.
		_, err := s.look(ctx, scope)
		return store.Record{}, false, err
	}
	r, err := decodeRecord(text)
	return r, err == nil, err
}
