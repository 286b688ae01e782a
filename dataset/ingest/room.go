package ingest

import (
	"context"
	"sync/atomic"
)

// activePart is a part that is being crawled.
type activePart struct {
	drop  context.CancelFunc
	rows  atomic.Int64 // 0 until they are read
	done  atomic.Int64 // of the rows
	bytes atomic.Int64 // of their pictures
}

// settle counts a row and its picture, and reports whether that made the part late.
func (a *activePart) settle(bytes int) bool {
	a.bytes.Add(int64(bytes))
	done, rows := a.done.Add(1), a.rows.Load()
	return isLate(done, rows) && !isLate(done-1, rows)
}

// isLate says that only the slow URLs of a part are left: a tenth of them, which wait for a host that keeps its callers apart
// or does not answer.
func isLate(done, rows int64) bool { return rows > 0 && 10*done >= 9*rows }

// A crawler works on partsAtOnce parts and, since slow URLs need next to nothing of it, on as many more as have only such left,
// up to mostParts.
const (
	partsAtOnce = 2
	mostParts   = 16
)

// room is how many parts may be active. Those beyond partsAtOnce wait while finished pictures take more than keeping bytes.
func room(active map[int]*activePart, keeping int64) int {
	late, kept := 0, int64(0)
	for _, a := range active {
		kept += a.bytes.Load()
		if isLate(a.done.Load(), a.rows.Load()) {
			late++
		}
	}
	if kept > keeping {
		return partsAtOnce
	}
	return min(partsAtOnce+late, mostParts)
}
