package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/dimmerhq/dimmer/service/store"
)

// metrics are what the process tells of itself. All are counted where they happen, or read when somebody asks.
type metrics struct {
	registry *prometheus.Registry
	commits  *prometheus.CounterVec
	commit   prometheus.Histogram
	rpcs     *prometheus.HistogramVec
	requests *prometheus.HistogramVec
	kills    prometheus.Counter // brought back after a rewritten history
}

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dimmer_commits_total", Help: "Attempts to commit a change, by verb and outcome (confirmed, unconfirmed, conflict, …).",
		}, []string{"verb", "outcome"}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dimmer_commit_seconds", Help: "How long the store took to commit, refusals included.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		rpcs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dimmer_rpc_seconds", Help: "Unary RPCs, by method and code.", Buckets: prometheus.ExponentialBuckets(0.00005, 2, 16),
		}, []string{"method", "code"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dimmer_http_request_seconds", Help: "REST requests, by method and status.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"method", "status"}),
		kills: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dimmer_kills_restored_total", Help: "Kills that were committed again because the store had lost them.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "dimmer_build_info", Help: "1, with the version as a label.", ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.commits, m.commit, m.rpcs, m.requests, m.kills, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handler serves metrics, profiles and, for probes that cannot do TLS or carry a client certificate, the state of health.
func (m *metrics) handler(health http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", health)
	mux.Handle("GET /readyz", health)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// unary measures unary RPCs.
func (m *metrics) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	start := time.Now()
	resp, err := handler(ctx, req)
	m.rpcs.WithLabelValues(info.FullMethod, status.Code(err).String()).Observe(time.Since(start).Seconds())
	return resp, err
}

// streams reads the number of open streams, and that of calls over a limit, when somebody asks.
func (m *metrics) streams(open func() int, limited func() int64) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "dimmer_streams", Help: "Open sync and watch streams."},
			func() float64 { return float64(open()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "dimmer_rpc_limited_total", Help: "RPCs that were refused because their caller was over a limit."},
			func() float64 { return float64(limited()) }))
}

// rest measures REST requests; streams of events count when they end.
func (m *metrics) rest(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(rec, r)
		method := r.Method
		switch method {
		case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions:
		default:
			method = "other" // a label that strangers choose would grow without bound
		}
		m.requests.WithLabelValues(method, strconv.Itoa(rec.status)).Observe(time.Since(start).Seconds())
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.wrote && status >= 200 {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what is below: flushing and deadlines.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for handlers that ask for http.Flusher.
func (w *statusWriter) Flush() {
	w.wrote = true
	_ = http.NewResponseController(w.ResponseWriter).Flush() // a connection that is gone shows in the next write
}

// measuredStore counts commits; everything else passes through.
type measuredStore struct {
	store.Store
	m *metrics
}

func (s measuredStore) Commit(ctx context.Context, txn store.Txn) (store.Committed, error) {
	start := time.Now()
	done, err := s.Store.Commit(ctx, txn)
	s.m.commit.Observe(time.Since(start).Seconds())
	s.m.commits.WithLabelValues(txn.Entry.Meta.Verb, outcome(done, err)).Inc()
	return done, err
}

func outcome(done store.Committed, err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{store.ErrConflict, "conflict"}, {store.ErrDuplicate, "duplicate"}, {store.ErrFull, "full"}, {store.ErrTooLarge, "too_large"}, {store.ErrEmptied, "emptied"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	switch {
	case err != nil:
		return "failed"
	case done.Durability == store.Unconfirmed:
		return "unconfirmed"
	}
	return "confirmed"
}

// scopeMetrics reads the mirrors when somebody asks.
type scopeMetrics struct {
	scopes func() map[string]*store.Mirror
}

var (
	ageDesc      = prometheus.NewDesc("dimmer_store_age_seconds", "Since the store last answered for the scope.", []string{"scope"}, nil)
	revisionDesc = prometheus.NewDesc("dimmer_revision", "The newest revision that this node has of the scope.", []string{"scope"}, nil)
	refusedDesc  = prometheus.NewDesc("dimmer_store_refused", "1 while the store lacks what this node knows of the scope, and is refused until an operator adopts it.", []string{"scope"}, nil)
	epochDesc    = prometheus.NewDesc("dimmer_epoch", "The epoch of that revision; it grows when a history was rewritten.", []string{"scope"}, nil)
)

// Describe implements prometheus.Collector.
func (c scopeMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- ageDesc
	out <- revisionDesc
	out <- epochDesc
	out <- refusedDesc
}

// Collect implements prometheus.Collector.
func (c scopeMetrics) Collect(out chan<- prometheus.Metric) {
	now := time.Now()
	for scope, mirror := range c.scopes() {
		head := mirror.State().Head()
		refused := 0.0
		if errors.Is(mirror.Err(), store.ErrEmptied) {
			refused = 1
		}
		out <- prometheus.MustNewConstMetric(refusedDesc, prometheus.GaugeValue, refused, scope)
		out <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, mirror.Age(now).Seconds(), scope)
		out <- prometheus.MustNewConstMetric(revisionDesc, prometheus.GaugeValue, float64(head.Revision), scope)
		out <- prometheus.MustNewConstMetric(epochDesc, prometheus.GaugeValue, float64(head.Epoch), scope)
	}
}
