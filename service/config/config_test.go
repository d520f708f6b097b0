package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func valid() Config {
	return Config{Store: "local:x", HTTP: "127.0.0.1:1", GRPC: "localhost:2", Metrics: "[::1]:3", Roles: []string{RoleAdmin, RoleEvaluation}}
}

func TestValidate(t *testing.T) {
	require.NoError(t, valid().Validate())
	tests := []struct {
		name   string
		change func(*Config)
		want   string // part of the message; empty: fine
	}{
		{"listener beyond loopback without TLS", func(c *Config) { c.HTTP = ":8080" }, "--insecure-listen"},
		{"grpc beyond loopback without TLS", func(c *Config) { c.GRPC = "10.0.0.1:9" }, "--grpc 10.0.0.1:9"},
		{"insecure said aloud", func(c *Config) { c.HTTP, c.InsecureListen = ":8080", true }, ""},
		{"with TLS", func(c *Config) { c.HTTP, c.TLSCert, c.TLSKey = ":8080", "a", "b" }, ""},
		{"dev never leaves loopback", func(c *Config) { c.Dev, c.InsecureListen, c.HTTP = true, true, "0.0.0.0:8080" }, "--dev binds to loopback"},
		{"dev on Redis", func(c *Config) { c.Dev, c.Store = true, "redis://localhost" }, "--store local:DIR"},
		{"metrics may be anywhere", func(c *Config) { c.Metrics = ":9464" }, ""},
		{"no metrics", func(c *Config) { c.Metrics = "" }, ""},
		{"address without port", func(c *Config) { c.HTTP = "127.0.0.1" }, "not HOST:PORT"},
		{"no gRPC without evaluation", func(c *Config) { c.Roles, c.GRPC = []string{RoleAdmin}, "" }, ""},
		{"unknown store", func(c *Config) { c.Store = "etcd://x" }, "unknown kind"},
		{"store without kind", func(c *Config) { c.Store = "data" }, "local:DIR"},
		{"unknown role", func(c *Config) { c.Roles = []string{"admn"} }, `"admn" is not a role`},
		{"sessions for a shift", func(c *Config) { c.SessionLife = 8 * time.Hour }, ""},
		{"sessions without end", func(c *Config) { c.SessionLife = 1000 * time.Hour }, "--session-life"},
		{"sessions for no time", func(c *Config) { c.SessionLife = -time.Hour }, "--session-life"},
		{"no role", func(c *Config) { c.Roles = nil }, "at least one"},
		{"half a certificate", func(c *Config) { c.TLSCert = "a" }, "belong together"},
		{"proxies", func(c *Config) { c.TrustedProxies = []string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"} }, ""},
		{"a proxy's name", func(c *Config) { c.TrustedProxies = []string{"proxy.internal"} }, "--trusted-proxies"},
		{"everybody a proxy", func(c *Config) { c.TrustedProxies = []string{"0.0.0.0/0"} }, "everybody"},
		{"client authority without TLS", func(c *Config) { c.TLSClientCA = "a" }, "--tls-client-ca needs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := valid()
			tt.change(&c)
			err := c.Validate()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestNormaliseBindsDevelopmentToLoopback(t *testing.T) {
	c := valid()
	c.Dev, c.HTTP = true, ":8080"
	c = c.Normalise()
	require.Equal(t, "127.0.0.1:8080", c.HTTP)
	require.NoError(t, c.Validate())
}
