package dataset

import "container/heap"

// wordUnits returns a word's byte units, the last one marked as the end of the word.
func wordUnits(word string) []int32 {
	ids := make([]int32, len(word))
	for i := range len(word) {
		ids[i] = byteUnit[word[i]]
	}
	ids[len(ids)-1] += 256
	return ids
}

// mergeWord returns the tokens of one word: of all mergeable neighbours the earliest-listed merge goes first, the leftmost
// of equals first, until nothing merges. A queue keeps a word of a million letters from costing its square.
func (v *Vocabulary) mergeWord(word string) []int32 {
	m := wordMerger{ids: wordUnits(word), products: v.products}
	m.link()
	for len(m.queue) > 0 {
		m.apply(heap.Pop(&m.queue).(queuedMerge))
	}
	return m.tokens()
}

// wordMerger is a word as a doubly linked list over places: place i is alive while ids[i] >= 0, and the queue holds every
// merge that its neighbours allow, along with stale ones that apply skips.
type wordMerger struct {
	ids      []int32
	before   []int32
	after    []int32
	queue    mergeQueue
	products map[idPair]int32
}

const deadPlace = -1

// queuedMerge is a chance to replace the symbol at place and its right neighbour by product.
type queuedMerge struct{ product, place int32 }

func (m *wordMerger) link() {
	m.before, m.after = make([]int32, len(m.ids)), make([]int32, len(m.ids))
	for i := range m.ids {
		m.before[i], m.after[i] = int32(i-1), int32(i+1)
	}
	for i := range len(m.ids) - 1 {
		if product, ok := m.products[idPair{m.ids[i], m.ids[i+1]}]; ok {
			m.queue = append(m.queue, queuedMerge{product, int32(i)})
		}
	}
	heap.Init(&m.queue)
}

// offer queues the merge of place and its right neighbour, if there is one.
func (m *wordMerger) offer(place int32) {
	if product, ok := m.productAt(place); ok {
		heap.Push(&m.queue, queuedMerge{product, place})
	}
}

func (m *wordMerger) productAt(place int32) (int32, bool) {
	right := m.after[place]
	if right == int32(len(m.ids)) {
		return 0, false
	}
	product, ok := m.products[idPair{m.ids[place], m.ids[right]}]
	return product, ok
}

func (m *wordMerger) apply(c queuedMerge) {
	if m.ids[c.place] == deadPlace {
		return
	}
	if product, ok := m.productAt(c.place); !ok || product != c.product {
		return
	}
	right := m.after[c.place]
	m.ids[c.place], m.ids[right] = c.product, deadPlace
	m.after[c.place] = m.after[right]
	if next := m.after[right]; next < int32(len(m.ids)) {
		m.before[next] = c.place
	}
	m.offer(c.place)
	if left := m.before[c.place]; left >= 0 {
		m.offer(left)
	}
}

func (m *wordMerger) tokens() []int32 {
	alive := m.ids[:0]
	for _, id := range m.ids {
		if id != deadPlace {
			alive = append(alive, id)
		}
	}
	return alive
}

// mergeQueue orders by the merge's line in the vocabulary, then by place.
type mergeQueue []queuedMerge

func (q mergeQueue) Len() int      { return len(q) }
func (q mergeQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q mergeQueue) Less(i, j int) bool {
	if q[i].product != q[j].product {
		return q[i].product < q[j].product
	}
	return q[i].place < q[j].place
}
func (q *mergeQueue) Push(x any) { *q = append(*q, x.(queuedMerge)) }
func (q *mergeQueue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}
