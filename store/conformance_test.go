package store_test

import (
	"context"
	"testing"

	"github.com/textground/textground/store"
	"github.com/textground/textground/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewMem() })
}

func TestDirectory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, "file://"+t.TempDir()+"/not/yet/there") })
}

func TestBucketOnAServer(t *testing.T) {
	bucket := storetest.SetS3(t)
	n := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		n++
		return open(t, bucket+"/"+string(rune('a'+n)))
	})
}

func TestFaultyWithoutFaultsIsAStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store {
		return storetest.NewFaulty(store.NewMem(), func(storetest.Op) storetest.Fault { return storetest.None })
	})
}

func open(t *testing.T, url string, opts ...store.Option) store.Store {
	t.Helper()
	st, err := store.Open(context.Background(), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return st
}
