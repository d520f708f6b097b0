package deploy_test

import (
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

type compose struct {
	Services map[string]composeService `yaml:"services"`
}

type composeService struct {
	Image       string            `yaml:"image"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
}

func readCompose(t *testing.T) compose {
	t.Helper()
	text, err := os.ReadFile("compose.yaml")
	require.NoError(t, err)
	var c compose
	require.NoError(t, yaml.Unmarshal(text, &c))
	require.Equal(t, []string{"dimmer-1", "dimmer-2", "redis"}, slices.Sorted(maps.Keys(c.Services)))
	return c
}

// TestComposePublishesOnLoopbackOnly: the nodes speak without TLS, so no port may be open to other machines.
func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	for name, service := range readCompose(t).Services {
		if name == "redis" {
			require.Empty(t, service.Ports, "Redis has no password and is not published")
			continue
		}
		require.NotEmpty(t, service.Ports)
		for _, port := range service.Ports {
			require.Regexp(t, `^127\.0\.0\.1:`, port)
		}
	}
}

var adminToken = regexp.MustCompile(`dma_[a-z2-7]+_[a-z2-7]+_[a-z2-7]+`)

// TestComposeRuns starts compose's three processes with compose's own arguments, host names and ports replaced by
// loopback ones, and sees a change made on one node from the other.
func TestComposeRuns(t *testing.T) {
	c := readCompose(t)
	redisAddr := startComposeRedis(t, c.Services["redis"])

	binary := filepath.Join(t.TempDir(), "dimmer")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/dimmer").CombinedOutput()
	require.NoError(t, err, "%s", out)

	addrs := map[string]string{}
	token := ""
	for _, name := range []string{"dimmer-1", "dimmer-2"} {
		service := c.Services[name]
		httpAddr := freeAddr(t)
		replace := map[string]string{
			"redis://redis:6379/0": "redis://" + redisAddr + "/0",
			":8080":                httpAddr, ":9090": freeAddr(t), ":9464": freeAddr(t),
		}
		cmd := exec.Command(binary, replaced(t, service.Command, replace)...)
		cmd.Dir = t.TempDir()
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}
		for key, value := range service.Environment {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
		p := start(t, cmd)
		ready(t, p, httpAddr)
		addrs[name] = httpAddr
		if found := adminToken.FindString(p.printed()); found != "" {
			require.Empty(t, token, "only one of the nodes makes the first token")
			token = found
		}
	}
	require.NotEmpty(t, token, "the first start shows an admin token")

	status, text := call(t, http.MethodPost, "http://"+addrs["dimmer-1"]+"/v1/projects", token, `{"key":"shop"}`)
	require.Equal(t, http.StatusCreated, status, text)
	status, text = call(t, http.MethodGet, "http://"+addrs["dimmer-2"]+"/v1/projects/shop", token, "")
	require.Equal(t, http.StatusOK, status, text)
	require.Contains(t, text, `"shop"`)
	status, _ = call(t, http.MethodGet, "http://"+addrs["dimmer-2"]+"/v1/projects/shop", "", "")
	require.Equal(t, http.StatusUnauthorized, status)
}

// replaced substitutes whole arguments; every substitution must be used, or the file and this test have parted.
func replaced(t *testing.T, args []string, with map[string]string) []string {
	t.Helper()
	result := slices.Clone(args)
	for from, to := range with {
		i := slices.Index(result, from)
		require.GreaterOrEqual(t, i, 0, "compose.yaml no longer says %s", from)
		result[i] = to
	}
	return result
}

func startComposeRedis(t *testing.T, service composeService) string {
	t.Helper()
	server := os.Getenv("REDIS_SERVER")
	if server == "" {
		server = "redis-server"
	}
	server, err := exec.LookPath(server)
	if err != nil {
		t.Skip("no redis-server: make test gets it")
	}
	require.Equal(t, "redis-server", service.Command[0])
	addr := freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	dir := t.TempDir()
	p := start(t, exec.Command(server, append(slices.Clone(service.Command[1:]), "--bind", "127.0.0.1", "--port", port, "--dir", dir)...))
	until(t, 10*time.Second, p, func() string {
		if reply := redisReply(addr, "PING"); reply != "+PONG\r\n" {
			return "PING: " + reply
		}
		return ""
	})
	require.Contains(t, redisReply(addr, "CONFIG GET appendfsync"), "always")
	require.Contains(t, redisReply(addr, "CONFIG GET appendonly"), "yes")
	require.Contains(t, redisReply(addr, "CONFIG GET maxmemory-policy"), "noeviction")
	require.DirExists(t, filepath.Join(dir, "appendonlydir"))
	return addr
}

// redisReply sends one inline command and returns the raw reply, or the error's text.
func redisReply(addr, command string) string {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // a failure shows in the read
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return err.Error()
	}
	reply := make([]byte, 4096)
	n, err := conn.Read(reply)
	if err != nil {
		return err.Error()
	}
	return strings.ToValidUTF8(string(reply[:n]), "?")
}
