// Package dimmer evaluates feature flags inside an application's process. Its one job: it keeps a copy of an environment's ruleset,
// fed by a stream from a Dimmer node, and answers from that copy.
//
//	client, err := dimmer.New("flags.example.com:9090", dimmer.WithToken(token), dimmer.WithApplication("shop"))
//	if err != nil {
//		return err // a wrong configuration; never an unreachable server
//	}
//	defer client.Close()
//
//	user := dimmer.NewContext("user-17").String("plan", "pro")
//	if client.Bool(ctx, "new-checkout", user, false) {
//		…
//	}
//
// # Promise
//
// An evaluation does no I/O, takes no lock, allocates nothing, returns no error and never panics. When there is no answer (no
// ruleset yet, no such flag, another type, a damaged flag) it returns the caller's fallback; the …Detail calls say why.
//
// What an evaluation sees comes from the best source there is: the live stream, then the cache file that an earlier process left,
// then the bundled bootstrap, then the caller's fallback. A client never goes back to an older ruleset, not when it meets a node that
// lags behind and not across a restart with a cache file; and it goes on with the last one it knows, for as long as it must, when
// no server can be reached.
//
// # Concurrency
//
// Every method of a [Client] and of a [Snapshot] may be called by any number of goroutines at once, and the client may be called from its
// own callbacks. A nil *Client is usable: it answers every call with the fallback. A [Context] is built by one goroutine, and is not
// changed once it was passed to an evaluation; from then on it may be shared. Building it once per request is cheaper than once per flag.
package dimmer
