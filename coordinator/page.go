package coordinator

import (
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

//go:embed page/index.html page/page.js page/page.css page/uplot.js page/uplot.css
var pageFiles embed.FS

// runFiles are the files of the run's directory that the page may read.
var runFiles = []string{StatusFile, MetricsFile, JournalFile, EvaluationsFile}

// servePage serves the live page of the run in dir on addr until the returned function is called. The page only reads.
// A listener on loopback answers only requests whose Host is a loopback name, so that no web site can read it through
// the user's browser by rebinding its own name.
func servePage(addr, dir string) (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("live page on %s: %w (choose another address with --page)", addr, err)
	}
	server := &http.Server{Handler: pageHandler(dir), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() { _ = server.Serve(listener) }() // ends with an error when it is closed, always
	return "http://" + listener.Addr().String() + "/", func() { _ = server.Close() }, nil
}

func pageHandler(dir string) http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	for _, name := range runFiles {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { serveRunFile(w, r, filepath.Join(dir, name)) })
	}
	mux.HandleFunc("GET /pictures/{name}", func(w http.ResponseWriter, r *http.Request) {
		serveRunFile(w, r, filepath.Join(dir, picturesDir, filepath.Base(r.PathValue("name"))))
	})
	return loopbackOnly(mux)
}

// serveRunFile answers with a file of the run, or with nothing where the run has not written it yet.
func serveRunFile(w http.ResponseWriter, r *http.Request, path string) {
	if _, err := os.Stat(path); err != nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.ServeFile(w, r, path)
}

func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "this page answers only under a loopback name", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
