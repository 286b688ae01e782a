package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/textground/textground/dataset/ingest"
)

// serveIngestMetrics serves the counters of an ingest at address until stop; an empty address serves nothing. Whoever
// reaches the address may read them, so that one beyond this machine wants a flag of its own.
func serveIngestMetrics(address string, public bool, counts *ingest.Counts, plan *ingest.Plan, desk *ingest.Desk, talk io.Writer) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, badInput(fmt.Sprintf("--metrics %s: %v; write HOST:PORT, such as 127.0.0.1:9464", address, err))
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !public {
		return nil, badInput(fmt.Sprintf("--metrics %s can be read from other machines, without a password; add --metrics-public if that is wanted", address))
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, badInput(fmt.Sprintf("--metrics: %v", err))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(ingestCollectors(counts, plan, desk)...)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(talk, "the counters are served no more: %v\n", err)
		}
	}()
	fmt.Fprintf(talk, "counters at http://%s/metrics\n", listener.Addr())
	return func() {
		_ = server.Close() // only closes sockets
		<-ended
	}, nil
}

func ingestCollectors(counts *ingest.Counts, plan *ingest.Plan, desk *ingest.Desk) []prometheus.Collector {
	counter := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "textground", Subsystem: "ingest", Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "textground", Subsystem: "ingest", Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	list := []prometheus.Collector{
		counter("requests_total", "Requests made by this process, redirects and robots.txt among them.", counts.Requests.Load),
		counter("retries_total", "Tries that were repeated.", counts.Retries.Load),
		counter("received_bytes_total", "Bytes of bodies.", counts.Bytes.Load),
		counter("sealed_parts_total", "Parts sealed by this process.", counts.Parts.Load),
		counter("late_parts_total", "Parts that somebody else had sealed.", counts.Late.Load),
		gauge("list_urls", "URLs in the list.", func() int { return plan.Rows }),
		gauge("list_parts", "Parts of the list.", func() int { return plan.Parts }),
	}
	for _, class := range ingest.Classes {
		list = append(list, prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "textground", Subsystem: "ingest", Name: "urls_total", Help: "URLs done by this process, by what became of them.",
			ConstLabels: prometheus.Labels{"class": string(class)}}, func() float64 { return float64(counts.Of(class)) }))
	}
	if desk != nil {
		list = append(list,
			gauge("list_sealed_parts", "Parts sealed by anybody.", func() int { sealed, _, _ := desk.State(); return sealed }),
			gauge("ingesters", "Ingesters heard of lately.", func() int { _, n, _ := desk.State(); return n }))
	}
	return list
}
