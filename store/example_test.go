package store_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/textground/textground/store"
)

func Example() {
	ctx := context.Background()
	st, err := store.Open(ctx, "mem://") // or a directory, or s3://bucket/prefix
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(st.PutNew(ctx, "epoch/0000000001", []byte("coordinator a")))
	err = st.PutNew(ctx, "epoch/0000000001", []byte("coordinator b"))
	fmt.Println(errors.Is(err, store.ErrExists), err)
	data, _ := store.ReadAll(ctx, st, "epoch/0000000001")
	fmt.Printf("%s\n", data)
	// Output:
	// <nil>
	// true store mem://: create epoch/0000000001: exists already
	// coordinator a
}
