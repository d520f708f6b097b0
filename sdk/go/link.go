package dimmer

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	dimmerv1 "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

// link is an open stream to a node. One goroutine sends and another receives; both calls return when the context of the link ends.
type link interface {
	Send(*dimmerv1.SyncRequest) error
	Recv() (*dimmerv1.SyncResponse, error)
	CloseSend() error
}

// dialer opens a link that lives until ctx ends. hangUp frees what belongs to it, and is called once, after that.
type dialer func(ctx context.Context, endpoint string) (l link, hangUp func(), err error)

// maxMessage is what a node may send at once: a chunk of 1 MiB with room for what surrounds it.
const maxMessage = 4 << 20

// window is what a node may send before the client has read it. Fixed: otherwise grpc answers every change with a ping to measure the way, which costs the
// node as much again as sending the change did.
const window = 4 << 20

func (c *config) dialNode(ctx context.Context, endpoint string) (link, func(), error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(c.credentials(endpoint)),
		grpc.WithPerRPCCredentials(bearer{c.token, !c.inClear(endpoint)}),
		grpc.WithUserAgent("dimmer-go/" + Version),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		// When to try again, and where, is decided in one place: sync.go.
		grpc.WithDisableRetry(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: connectTimeout}),
	}
	conn, err := grpc.NewClient(endpoint, append(options, c.dialOptions...)...)
	if err != nil {
		return nil, nil, err
	}
	stream, err := dimmerv1.NewSyncServiceClient(conn).Sync(ctx)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return stream, func() { conn.Close() }, nil
}

func (c *config) credentials(endpoint string) credentials.TransportCredentials {
	switch {
	case c.tls != nil:
		return credentials.NewTLS(c.tls)
	case c.inClear(endpoint):
		return insecure.NewCredentials()
	default:
		return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
}

// inClear says whether the token may travel without TLS.
func (c *config) inClear(endpoint string) bool {
	return c.tls == nil && (c.insecure || isLoopback(endpoint))
}

// bearer sends the token with the call. It insists on TLS itself, so that no option of gRPC sends the token in the clear.
type bearer struct {
	token  string
	secure bool
}

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.token}, nil
}

func (b bearer) RequireTransportSecurity() bool { return b.secure }

// outbox sends what the client has to say, so that a node which does not read cannot hold up the one who receives. Of
// acknowledgements only the newest is kept.
type outbox struct {
	wake chan struct{} // holds one

	lock  sync.Mutex
	ack   *dimmerv1.Ack
	nacks []*dimmerv1.Nack
	bye   bool
}

// maxNacks bounds what waits to be said about documents; they are notes for people.
const maxNacks = 100

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

func (o *outbox) put(change func()) {
	o.lock.Lock()
	change()
	o.lock.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) acknowledge(rev Revision) {
	o.put(func() { o.ack = &dimmerv1.Ack{Revision: revisionTo(rev)} })
}

func (o *outbox) refuse(nack *dimmerv1.Nack) {
	o.put(func() {
		if len(o.nacks) < maxNacks || nack.GetKind() == "" {
			o.nacks = append(o.nacks, nack)
		}
	})
}

func (o *outbox) sayBye() { o.put(func() { o.bye = true }) }

// take is what there is to say, in the order in which it must be said.
func (o *outbox) take() (messages []*dimmerv1.SyncRequest, last bool) {
	o.lock.Lock()
	defer o.lock.Unlock()
	for _, nack := range o.nacks {
		messages = append(messages, &dimmerv1.SyncRequest{Message: &dimmerv1.SyncRequest_Nack{Nack: nack}})
	}
	if o.ack != nil {
		messages = append(messages, &dimmerv1.SyncRequest{Message: &dimmerv1.SyncRequest_Ack{Ack: o.ack}})
	}
	if o.bye {
		messages = append(messages, &dimmerv1.SyncRequest{Message: &dimmerv1.SyncRequest_Bye{Bye: &dimmerv1.Bye{}}})
	}
	o.nacks, o.ack = nil, nil
	return messages, o.bye
}

// run sends until ctx or the link ends. The receiver hears of a broken link by itself.
func (o *outbox) run(ctx context.Context, l link) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		messages, last := o.take()
		for _, message := range messages {
			if l.Send(message) != nil {
				return
			}
		}
		if last {
			_ = l.CloseSend() // the link is given up anyway
			return
		}
	}
}

// sleep waits; false says that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
