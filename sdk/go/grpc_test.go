package dimmer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/dimmerhq/dimmer/evaluator"
	dimmerv1 "github.com/dimmerhq/dimmer/proto/dimmer/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// overGRPC starts a client that talks to real servers; tries follow each other quickly.
func overGRPC(t testing.TB, addr string, options ...Option) *Client {
	t.Helper()
	c, err := New(addr, append([]Option{
		WithToken(testToken), WithInitTimeout(0), WithLogger(nil), func(c *config) { c.random = func() float64 { return 0.005 } },
	}, options...)...)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestOverGRPC(t *testing.T) {
	g := startGRPC(t, "127.0.0.1:0")
	c := overGRPC(t, g.addr)
	conn := g.accept(t)
	one := snapshotOf(rev(1, 1), boolFlag("a", false))
	conn.full(one)
	conn.expectAck(rev(1, 1))
	two, _ := one.With(rev(1, 2), []evaluator.Document{boolFlag("a", true)})
	conn.delta(two, boolFlag("a", true))
	conn.expectAck(rev(1, 2))
	require.True(t, c.on("a"))
	require.Equal(t, StateLive, c.Status().State)
	require.NoError(t, c.Close())
	require.NotNil(t, conn.recv().GetBye())
	require.Nil(t, conn.recv())
}

func TestRefusedOverGRPC(t *testing.T) {
	g := startGRPC(t, "127.0.0.1:0")
	began := time.Now()
	c := overGRPC(t, g.addr, WithToken("dms_wrong"), WithInitTimeout(time.Minute))
	require.Less(t, time.Since(began), 30*time.Second, "New does not wait for what will not come")
	eventually(t, "refused", func() bool { return c.Status().State == StateRefused })
	require.ErrorContains(t, c.Status().Err, "no such token")
}

// A node dies with its streams; the other has the client, and nothing goes back.
func TestNodeDies(t *testing.T) {
	first, second := startGRPC(t, "127.0.0.1:0"), startGRPC(t, "127.0.0.1:0")
	c := overGRPC(t, first.addr+","+second.addr)
	conn := first.accept(t)
	held := snapshotOf(rev(1, 5), boolFlag("a", true))
	conn.full(held)
	conn.expectAck(rev(1, 5))
	first.server.Stop()
	conn = second.accept(t)
	require.Equal(t, rev(1, 5), revisionOf(conn.hello.GetAfter()))
	conn.intent(dimmerv1.Intent_MODE_NONE)
	conn.expectAck(rev(1, 5))
	require.True(t, c.on("a"))

	// And when all are gone it answers on, and comes back to whoever is there first.
	second.server.Stop()
	eventually(t, "interrupted", func() bool { return c.Status().State == StateInterrupted })
	require.True(t, c.on("a"))
	again := startGRPC(t, first.addr)
	conn = again.accept(t)
	next, _ := held.With(rev(1, 6), []evaluator.Document{boolFlag("a", false)})
	conn.intent(dimmerv1.Intent_MODE_DELTA)
	conn.delta(next, boolFlag("a", false))
	conn.expectAck(rev(1, 6))
	require.False(t, c.on("a"))
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	c := overGRPC(t, addr, WithInitTimeout(50*time.Millisecond))
	require.True(t, c.Bool(t.Context(), "a", nil, true))
	eventually(t, "an error", func() bool { return c.Status().Err != nil })
	require.Equal(t, StateConnecting, c.Status().State)
}

// Something that accepts and never says a word of HTTP/2.
func TestDeafListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	c := overGRPC(t, listener.Addr().String(), WithInitTimeout(20*time.Millisecond))
	began := time.Now()
	require.NoError(t, c.Close())
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	g := startGRPC(t, "127.0.0.1:0", grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})))
	c := overGRPC(t, g.addr, WithTLS(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}))
	conn := g.accept(t)
	conn.full(snapshotOf(rev(1, 1), boolFlag("a", true)))
	conn.expectAck(rev(1, 1))
	require.True(t, c.on("a"))

	// One that does not know the root sends nobody a token.
	stranger := overGRPC(t, g.addr, WithTLS(&tls.Config{MinVersion: tls.VersionTLS13}))
	eventually(t, "an error", func() bool { return stranger.Status().Err != nil })
	require.ErrorContains(t, stranger.Status().Err, "certificate")
	require.Empty(t, g.arrivals)
}
