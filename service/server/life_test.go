package server

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/dimmerhq/dimmer/proto/dimmer/v1"
	dimmer "github.com/dimmerhq/dimmer/sdk/go"
	"github.com/dimmerhq/dimmer/service/config"
	"github.com/dimmerhq/dimmer/service/store"
	"github.com/dimmerhq/dimmer/service/store/storetest"
)

// TestBusyPort: the message names the option that changes the port, and nothing is left open.
func TestBusyPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for option, set := range map[string]func(*config.Config){
		"--http":    func(c *config.Config) { c.HTTP = taken.Addr().String() },
		"--grpc":    func(c *config.Config) { c.GRPC = taken.Addr().String() },
		"--metrics": func(c *config.Config) { c.Metrics = taken.Addr().String() },
	} {
		t.Run(option, func(t *testing.T) {
			cfg := testConfig(t.TempDir())
			set(&cfg)
			s, err := New(cfg, Options{})
			require.NoError(t, err)
			s.open = func(context.Context, config.Config, *slog.Logger) (store.Store, error) {
				t.Error("the store was opened before the ports")
				return nil, errors.New("no")
			}
			err = s.Run(t.Context())
			require.ErrorContains(t, err, option+" "+taken.Addr().String()+": the port is in use")
			require.ErrorContains(t, err, "DIMMER_"+strings.ToUpper(option[2:]))
		})
	}
}

func TestUnsafeConfigurationIsRefused(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.GRPC = ":9090"
	_, err := New(cfg, Options{})
	require.ErrorContains(t, err, "--insecure-listen")
}

// TestDrain: an SDK is told, a stream of events and a request that waits end, and the server with them, well before the limit.
func TestDrain(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Dev, cfg.Drain = true, 15*time.Second
	s := launch(t, cfg, shared{storetest.NewMemory()})
	dev := s.dev()
	client, err := dimmer.New(s.Addresses().GRPC, dimmer.WithToken(dev.SDK["production"]))
	require.NoError(t, err)
	defer client.Close()
	require.NotEmpty(t, client.String(t.Context(), "banner", dimmer.NewContext("u"), ""))

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addresses().HTTP+"/v1/projects/shop/events", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+dev.Admin)
	events, err := web.Do(req)
	require.NoError(t, err)
	defer events.Body.Close()
	s.must(200, "POST", production+"/ramp", dev.Admin, `{"exposure":5}`)
	lines := bufio.NewScanner(events.Body)
	found := false
	for !found && lines.Scan() {
		found = strings.HasPrefix(lines.Text(), "data:") && strings.Contains(lines.Text(), "targeting.ramp")
	}
	require.True(t, found, "the change arrives as an event")

	start := time.Now()
	s.end()
	require.Less(t, time.Since(start), 10*time.Second, "nothing was waited out")
	for lines.Scan() { // ends
		continue
	}
	require.NotEmpty(t, client.String(t.Context(), "banner", dimmer.NewContext("u"), ""), "the SDK goes on with what it has")
	_, err = net.DialTimeout("tcp", s.Addresses().HTTP, time.Second)
	require.Error(t, err, "nothing listens any more")
}

// TestHealth: probes are answered on the metrics listener too, and a store that is away makes nobody unready.
func TestHealth(t *testing.T) {
	st := shared{storetest.NewMemory()}
	cfg := testConfig(t.TempDir())
	cfg.Dev = true
	s := launch(t, cfg, st)
	dev := s.dev()
	for _, addr := range []string{s.Addresses().HTTP, s.Addresses().Metrics} {
		for _, path := range []string{"/healthz", "/readyz"} {
			code, text := get(t, "http://"+addr+path)
			require.Equal(t, 200, code, path+text)
		}
	}
	code, text := get(t, "http://"+s.Addresses().Metrics+"/debug/pprof/goroutine?debug=1")
	require.Equal(t, 200, code)
	require.Contains(t, text, "goroutine profile")
	code, _ = get(t, "http://"+s.Addresses().HTTP+"/debug/pprof/")
	require.Equal(t, 404, code, "profiles are not on the open listener")
	code, _ = get(t, "http://"+s.Addresses().HTTP+"/metrics")
	require.Equal(t, 404, code)
	code, text = get(t, "http://"+s.Addresses().HTTP+"/")
	require.Equal(t, 200, code)
	require.Contains(t, text, "<html")

	st.Fail(fmt.Errorf("%w: away", store.ErrUnavailable))
	code, _ = get(t, "http://"+s.Addresses().HTTP+"/readyz")
	require.Equal(t, 200, code)
	s.must(200, "POST", "/v1/evaluate/banner?project=shop&environment=production", dev.Admin, `{"context":{"targetingKey":"u"}}`)
	code, text = s.call("POST", production+"/ramp", dev.Admin, `{"exposure":7}`)
	require.Equal(t, 503, code, text)
	st.Fail(nil)
	eventually(t, "writes work again", func() bool {
		code, _ := s.call("POST", production+"/ramp", dev.Admin, `{"exposure":7}`)
		return code == 200
	})
}

// TestNotReadyWithoutStore: with a store that does not answer the process lives, says that it is not ready, and ends when asked to.
func TestNotReadyWithoutStore(t *testing.T) {
	st := shared{storetest.NewMemory()}
	st.Fail(fmt.Errorf("%w: away", store.ErrUnavailable))
	out := &log{}
	s, err := New(testConfig(t.TempDir()), Options{Logger: slog.New(slog.NewTextHandler(out, nil)), Notice: out})
	require.NoError(t, err)
	s.open = func(context.Context, config.Config, *slog.Logger) (store.Store, error) { return st, nil }
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	eventually(t, "it listens", func() bool { return s.Addresses().HTTP != "" })
	code, text := get(t, "http://"+s.Addresses().HTTP+"/readyz")
	require.Equal(t, 503, code, text)
	code, _ = get(t, "http://"+s.Addresses().HTTP+"/healthz")
	require.Equal(t, 200, code)
	stop()
	require.NoError(t, <-ended, out)
	select {
	case <-s.Ready():
		require.Fail(t, "it was never ready")
	default:
	}
}

// TestRewrittenHistory: kills that a failover lost are committed again, and said aloud.
func TestRewrittenHistory(t *testing.T) {
	st := shared{storetest.NewMemory()}
	cfg := testConfig(t.TempDir())
	cfg.Dev = true
	s := launch(t, cfg, st)
	dev := s.dev()
	s.must(200, "POST", production+"/ramp", dev.Admin, `{"exposure":100}`)
	s.must(200, "POST", production+"/kill", dev.Admin, `{"reason":"it burns","wait":"nodes"}`)
	st.Rewind("shop", 1) // the kill was never there
	eventually(t, "the kill is back", func() bool {
		return strings.Contains(s.log.String(), "kills that were missing are back") && strings.Contains(s.log.String(), "HISTORY WAS REWRITTEN")
	})
	var list struct{ Items []struct{ Reason string } }
	require.NoError(t, json.Unmarshal([]byte(s.must(200, "GET", production+"/kills", dev.Admin, "")), &list))
	require.Len(t, list.Items, 1)
	require.Equal(t, "it burns", list.Items[0].Reason)
	_, text := get(t, "http://"+s.Addresses().Metrics+"/metrics")
	require.Contains(t, text, "dimmer_kills_restored_total 1")
	require.Contains(t, text, `dimmer_epoch{scope="shop"} 2`)
}

// TestRoles: an evaluation node answers and changes nothing; an admin node has no gRPC.
func TestRoles(t *testing.T) {
	st := shared{storetest.NewMemory()}
	cfg := testConfig(t.TempDir())
	cfg.Dev, cfg.Roles = true, []string{config.RoleAdmin}
	admin := launch(t, cfg, st)
	dev := admin.dev()
	require.Empty(t, admin.Addresses().GRPC)
	code, _ := admin.call("POST", "/v1/evaluate/banner?project=shop&environment=production", dev.Admin, `{"context":{"targetingKey":"u"}}`)
	require.Equal(t, 503, code)

	cfg = testConfig(t.TempDir())
	cfg.Roles = []string{config.RoleEvaluation}
	node := launch(t, cfg, st)
	require.Empty(t, node.notice.String(), "an evaluation node makes no token")
	node.must(200, "POST", "/v1/evaluate/banner?project=shop&environment=production", dev.Admin, `{"context":{"targetingKey":"u"}}`)
	code, text := node.call("POST", production+"/ramp", dev.Admin, `{"exposure":7}`)
	require.Equal(t, 404, code)
	require.Contains(t, text, "--roles")

	client, err := dimmer.New(node.Addresses().GRPC, dimmer.WithToken(dev.SDK["production"]))
	require.NoError(t, err)
	defer client.Close()
	eventually(t, "the admin node hears of the instance, through the store", func() bool {
		return strings.Contains(admin.must(200, "GET", "/v1/projects/shop/instances", dev.Admin, ""), `"state":"connected"`)
	})
	var killed struct{ Nodes, Instances struct{ Done, Total int } }
	text = admin.must(200, "POST", production+"/kill", dev.Admin, `{"reason":"test","wait":"instances","timeout":"10s"}`)
	require.NoError(t, json.Unmarshal([]byte(text), &killed))
	require.Equal(t, 1, killed.Instances.Done, text)
	require.Equal(t, 1, killed.Nodes.Total, "a node that serves no environment is not waited for: %s", text)
}

// authority makes certificates for tests.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// issue returns the files of a certificate for 127.0.0.1 and its key.
func (a *authority) issue(name string) (cert, key string) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	require.NoError(a.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(a.t, err)
	return a.write(name+".pem", "CERTIFICATE", der), a.write(name+"-key.pem", "PRIVATE KEY", keyDER)
}

// TestTLS: both listeners speak TLS, and with an authority for clients nobody without a certificate gets in.
func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	cfg := testConfig(t.TempDir())
	cfg.Dev = true
	cfg.TLSCert, cfg.TLSKey = ca.issue("server")
	cfg.TLSClientCA = filepath.Join(ca.dir, "ca.pem")
	s := launch(t, cfg, shared{storetest.NewMemory()})
	dev := s.dev()
	require.Equal(t, "https://"+s.Addresses().HTTP, dev.URL)

	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	pair, err := tls.LoadX509KeyPair(ca.issue("client"))
	require.NoError(t, err)
	with := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}
	whoami := func(c *tls.Config) (int, error) {
		transport := &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, dev.URL+"/v1/whoami", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+dev.Admin)
		resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	code, err := whoami(with)
	require.NoError(t, err)
	require.Equal(t, 200, code)
	_, err = whoami(&tls.Config{RootCAs: roots})
	require.Error(t, err, "a client without a certificate")
	resp, err := web.Get("http://" + s.Addresses().HTTP + "/healthz") //nolint:noctx // a short local request
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 400, resp.StatusCode, "no plain text")

	client, err := dimmer.New(s.Addresses().GRPC, dimmer.WithToken(dev.SDK["production"]), dimmer.WithTLS(with))
	require.NoError(t, err)
	defer client.Close()
	require.NotEmpty(t, client.String(t.Context(), "banner", dimmer.NewContext("u"), ""))
	without, err := dimmer.New(s.Addresses().GRPC, dimmer.WithToken(dev.SDK["production"]), dimmer.WithTLS(&tls.Config{RootCAs: roots}),
		dimmer.WithInitTimeout(300*time.Millisecond), dimmer.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer without.Close()
	require.Empty(t, without.String(t.Context(), "banner", dimmer.NewContext("u"), ""))
}

// TestRPCsAreMeasured: unary RPCs are counted by method and code, those that are refused too.
func TestRPCsAreMeasured(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Dev = true
	s := launch(t, cfg, shared{storetest.NewMemory()})
	conn, err := grpc.NewClient(s.Addresses().GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	rpc := pb.NewEvaluationServiceClient(conn)
	req := &pb.EvaluateRequest{Flag: "banner", Context: &pb.Context{TargetingKey: "u"}}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+s.dev().SDK["production"])
	resp, err := rpc.Evaluate(ctx, req)
	require.NoError(t, err)
	require.Equal(t, "season", resp.GetResult().GetVariant())
	_, err = rpc.Evaluate(t.Context(), req)
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	_, text := get(t, "http://"+s.Addresses().Metrics+"/metrics")
	for _, code := range []string{"OK", "Unauthenticated"} {
		require.Contains(t, text, `dimmer_rpc_seconds_count{code="`+code+`",method="/dimmer.v1.EvaluationService/Evaluate"} 1`)
	}
	health, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, health.GetStatus())
}

func TestBrokenCertificate(t *testing.T) {
	cfg := testConfig(t.TempDir())
	ca := newAuthority(t)
	cfg.TLSCert, cfg.TLSKey = ca.issue("server")
	cfg.TLSClientCA = cfg.TLSKey
	s, err := New(cfg, Options{})
	require.NoError(t, err)
	require.ErrorContains(t, s.Run(t.Context()), "--tls-client-ca")
	cfg.TLSKey = filepath.Join(ca.dir, "nothing")
	s, err = New(cfg, Options{})
	require.NoError(t, err)
	require.ErrorContains(t, s.Run(t.Context()), "--tls-cert")
}
