package store

import (
	"context"
	"fmt"
	"io"
)

// ReadAll reads a whole object.
func ReadAll(ctx context.Context, st Store, key string) ([]byte, error) {
	body, err := st.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("store %s: read %s: %w", st, key, err)
	}
	return data, nil
}
