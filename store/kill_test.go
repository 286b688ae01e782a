package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const writerDir = "TEXTGROUND_TEST_WRITER_DIR"

// endlessWriter is the process that gets killed: it creates objects, each all of one byte, and says so.
func endlessWriter(root string) error {
	st, err := OpenDir(root)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if err := st.PutNew(context.Background(), fmt.Sprintf("objects/%d-%06d", os.Getpid(), i), bytes.Repeat([]byte{byte(i)}, 300_000)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

func TestAWriterKilledBySIGKILLTearsNothing(t *testing.T) {
	root := t.TempDir()
	acknowledged := 0
	const kills = 4
	for kill := range kills {
		acknowledged += writeUntilKilled(t, root, 3+5*kill)
	}
	st, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	infos, err := st.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(infos) < acknowledged || len(infos) > acknowledged+kills {
		t.Errorf("%d objects, %d were acknowledged", len(infos), acknowledged)
	}
	for _, info := range infos {
		data, err := ReadAll(t.Context(), st, info.Key)
		if err != nil || len(data) != 300_000 || !bytes.Equal(data, bytes.Repeat(data[:1], 300_000)) {
			t.Errorf("%s is torn: %d bytes, %v", info.Key, len(data), err)
		}
	}
	wantNoScratch(t, st.(*directory))
}

// writeUntilKilled runs a writer, kills it somewhere after its nth object, and returns how many it said were written.
func writeUntilKilled(t *testing.T, root string, n int) (acknowledged int) {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), writerDir+"="+root)
	writer.Stderr = os.Stderr
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && strings.TrimSpace(lines.Text()) != "" {
		if acknowledged++; acknowledged == n {
			if err := writer.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := writer.Wait(); err == nil || acknowledged < n {
		t.Fatalf("the writer ended by itself after %d objects: %v", acknowledged, err)
	}
	return acknowledged
}
