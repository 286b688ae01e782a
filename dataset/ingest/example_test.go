package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/textground/textground/dataset/ingest"
	"github.com/textground/textground/store"
)

// A list of one picture and one dead link becomes a shard with one sample.
func Example() {
	ctx := context.Background()
	var picture bytes.Buffer
	_ = jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 40, 30)), nil)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cat.jpg" {
			_, _ = w.Write(picture.Bytes())
			return
		}
		http.NotFound(w, r)
	}))
	defer web.Close()
	name := filepath.Join(os.TempDir(), "textground-example.csv")
	defer os.Remove(name)
	_ = os.WriteFile(name, []byte("url,caption\n"+web.URL+"/cat.jpg,a cat\n"+web.URL+"/gone.jpg,a dog\n"), 0o600)

	home := store.NewMem()
	list, err := ingest.OpenList(ctx, []string{name}, ingest.Columns{})
	if err != nil {
		panic(err)
	}
	plan, err := ingest.Begin(ctx, home, list, 0, ingest.DefaultSettings(), nil)
	if err != nil {
		panic(err)
	}
	desk, err := ingest.NewDesk(ctx, home, plan, time.Now)
	if err != nil {
		panic(err)
	}
	how := ingest.DefaultFetching()
	how.AllowPrivate = true // the example's server is on this machine
	crawler, err := ingest.NewCrawler(ctx, "me", home, plan, how)
	if err != nil {
		panic(err)
	}
	if err := crawler.Run(ctx, desk); err != nil {
		panic(err)
	}
	index, summary, err := ingest.WriteIndex(ctx, home)
	if err != nil {
		panic(err)
	}
	fmt.Println(summary.Answered, "of", summary.Rows, "answered,", index.Shards[0].Name)
	// Output: 1 of 2 answered, 00000.tar
}
