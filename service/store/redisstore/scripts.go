package redisstore

import (
	"context"
	"crypto/sha1" //nolint:gosec // it is how Redis names scripts
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/dimmerhq/dimmer/service/store"
)

// script is a Lua script and the name that Redis gives it.
type script struct{ text, sha string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text: text, sha: hex.EncodeToString(sum[:])}
}

var (
	//go:embed lua/head.lua
	headText string
	//go:embed lua/commit.lua
	commitText string
	//go:embed lua/reconcile.lua
	reconcileText string
	//go:embed lua/recorded.lua
	recordedText string
	//go:embed lua/appear.lua
	appearText string
	//go:embed lua/present.lua
	presentText string
	//go:embed lua/vanish.lua
	vanishText string
	//go:embed lua/trim.lua
	trimText string
	//go:embed lua/unspool.lua
	unspoolText string
	//go:embed lua/install.lua
	installText string
	//go:embed lua/drop.lua
	dropText string
	//go:embed lua/missing.lua
	missingText string
	//go:embed lua/bear.lua
	bearText string
	//go:embed lua/adopt.lua
	adoptText string
	//go:embed lua/rollback.lua
	rollbackText string
	//go:embed lua/newest.lua
	newestText string

	headScript      = newScript(headText)
	commitScript    = newScript(commitText)
	reconcileScript = newScript(reconcileText)
	recordedScript  = newScript(recordedText)
	appearScript    = newScript(appearText)
	presentScript   = newScript(presentText)
	vanishScript    = newScript(vanishText)
	trimScript      = newScript(trimText)
	unspoolScript   = newScript(unspoolText)
	installScript   = newScript(installText)
	dropScript      = newScript(dropText)
	missingScript   = newScript(missingText)
	bearScript      = newScript(bearText)
	adoptScript     = newScript(adoptText)
	rollbackScript  = newScript(rollbackText)
	newestScript    = newScript(newestText)
)

// scripter runs scripts; clients and pinned connections do.
type scripter interface {
	EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd
	Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd
}

// run sends the script's name, and its text when the server does not know it (it was restarted, or promoted).
func (s script) run(ctx context.Context, c scripter, keys []string, args ...any) *redis.Cmd {
	cmd := c.EvalSha(ctx, s.sha, keys, args...)
	if unknownScript(cmd.Err()) {
		cmd = c.Eval(ctx, s.text, keys, args...)
	}
	return cmd
}

func unknownScript(err error) bool { return err != nil && kindOf(err) == "NOSCRIPT" }

// eval runs a script through the client that tries again: for scripts that may run twice.
func (s *Store) eval(ctx context.Context, what string, sc script, keys []string, args ...any) (any, error) {
	answer, err := sc.run(ctx, s.client, keys, args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		s.lost(ctx)
		return nil, s.fail(ctx, what, err)
	}
	return answer, nil
}

// say is eval for a script that answers a word.
func (s *Store) say(ctx context.Context, what string, sc script, keys []string, args ...any) (string, error) {
	answer, err := s.eval(ctx, what, sc, keys, args...)
	if err != nil {
		return "", err
	}
	word, _ := answer.(string)
	return word, nil
}

// status is what head.lua answers.
type status struct {
	head, checkpoint store.Head
	absent           bool   // there is no head; a dropped scope has one, with revision 0
	server           string // the replication id of the server that answered: another after each restart, promotion and move
	intact           bool   // the head was written under the server's present replication id, or has no revision
	birth            string // the store's when the scope began; empty: an earlier version made it, or there is none
	recorded         string // the birth that the store's record has; asked for with the system scope alone
	lost             string // why a system scope without a revision is refused
	did              string // reconcile.lua's
}

func parseStatus(answer any) (status, error) {
	list, ok := answer.([]any)
	if !ok || len(list) < 10 {
		return status{}, corrupt(fmt.Errorf("a script answered %T", answer))
	}
	text := func(i int) string {
		if i >= len(list) {
			return ""
		}
		s, _ := list[i].(string)
		return s
	}
	var s status
	if list[0] != nil {
		var err1, err2 error
		s.head, err1 = parseHead(text(0), text(1), text(2))
		if list[5] != nil {
			s.checkpoint, err2 = parseHead(text(4), text(5), text(6))
		}
		if err := errors.Join(err1, err2); err != nil {
			return status{}, corrupt(err)
		}
		if s.checkpoint.Revision > s.head.Revision {
			return status{}, corrupt(errors.New("the checkpoint is beyond the head"))
		}
	}
	s.absent, s.server = list[0] == nil, text(7)
	s.intact = s.head.Revision == 0 || text(3) == text(7) && text(3) != ""
	s.birth, s.recorded = text(8), text(9)
	s.lost, s.did = text(10), text(11)
	return s, nil
}

func parseHead(epoch, revision, hash string) (store.Head, error) {
	var h store.Head
	var err1, err2 error
	h.Epoch, err1 = strconv.ParseInt(epoch, 10, 64)
	h.Revision, err2 = strconv.ParseInt(revision, 10, 64)
	err := errors.Join(err1, err2, h.Hash.UnmarshalText([]byte(hash)))
	if err == nil && (h.Epoch < 0 || h.Revision < 0) {
		err = errors.New("a negative epoch or revision")
	}
	return h, err
}
