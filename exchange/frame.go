package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/textground/textground/proto"
)

// frameKind says what a bulk message is.
type frameKind uint8

const (
	partFrame    frameKind = iota + 1 // worker → hub: one chunk of a part
	ackFrame                          // hub → worker: what became of it
	pullFrame                         // worker → hub: give me a reduced chunk
	reducedFrame                      // hub → worker: the chunk, or why not
	readyFrame                        // hub → all: so many chunks are reduced
	openFrame                         // follower → peer: copy your state for me
	stateFrame                        // peer → follower: what the copy consists of, or that it is still being made
	getFrame                          // follower → peer: give me a chunk of the copy
	copyFrame                         // peer → follower: the chunk, or why not
	lastKind     = copyFrame
)

// status is the answer in an ack, a reduced chunk or a chunk of state.
type status uint8

const (
	accepted   status = iota
	known             // this node, or one above it, is in already
	differs           // the node is in with other bits
	full              // no room yet: beyond the lowest incomplete chunk + the window
	notOpen           // the step is not open yet
	gone              // the step is closed
	staleEpoch        // the frame speaks to another coordinator epoch
	badPart           // no valid part of this exchange
	pending           // not ready yet
	howFar            // asks for no chunk but how many are ready, and answers that
	failed            // the peer cannot give its state
	lastStatus = failed
)

func (s status) String() string {
	return [...]string{"accepted", "known", "differs", "window full", "step not open", "step closed", "other epoch", "bad part",
		"pending", "how far", "failed"}[s]
}

// dtype is the element type of a frame's values.
type dtype uint8

const (
	noValues dtype = iota
	float32s
	float64s
	lastType = float64s
)

// frame is one bulk message, little-endian on the wire:
//
//	0  "TG", version, kind, exchange, dtype, status, 0
//	8  epoch u64    16 step i64    24 node lo u32, hi u32
//	32 chunk u32, chunks u32       40 low u32, trailer length u32
//	48 length u64 of the whole vector, in values
//	56 values, trailer, CRC32C u32 of all before it
type frame struct {
	kind     frameKind
	exchange proto.Exchange
	dtype    dtype
	status   status
	epoch    uint64
	step     int
	node     proto.Node
	chunk    int // its number; chunks are counted from the end of the vector (cut.go)
	chunks   int // how many chunks the vector has
	low      int // the lowest chunk that is not complete
	length   int // values of the whole vector
	values   []byte
	trailer  []byte
	crc      uint32 // as received: equal parts have equal checksums
}

const (
	frameVersion = 1
	headerBytes  = 56
	crcBytes     = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the bytes of the frame.
func (f *frame) encode() []byte {
	data := f.encodeHeader(nil)
	data = append(data, f.values...)
	data = append(data, f.trailer...)
	return sealFrame(data)
}

func (f *frame) encodeHeader(dst []byte) []byte {
	le := binary.LittleEndian
	dst = append(dst, 'T', 'G', frameVersion, byte(f.kind), byte(f.exchange), byte(f.dtype), byte(f.status), 0)
	dst = le.AppendUint64(dst, f.epoch)
	dst = le.AppendUint64(dst, uint64(f.step))
	dst = le.AppendUint32(dst, uint32(f.node.Lo))
	dst = le.AppendUint32(dst, uint32(f.node.Hi))
	dst = le.AppendUint32(dst, uint32(f.chunk))
	dst = le.AppendUint32(dst, uint32(f.chunks))
	dst = le.AppendUint32(dst, uint32(f.low))
	dst = le.AppendUint32(dst, uint32(len(f.trailer)))
	return le.AppendUint64(dst, uint64(f.length))
}

// sealFrame appends the checksum of the frame.
func sealFrame(frame []byte) []byte {
	return binary.LittleEndian.AppendUint32(frame, crc32.Checksum(frame, castagnoli))
}

var (
	errShort    = errors.New("frame is cut short")
	errLong     = fmt.Errorf("frame is longer than %d bytes", proto.MaxMessage)
	errMagic    = errors.New("frame does not begin with TG")
	errChecksum = errors.New("frame has a wrong CRC32C")
	errHeader   = errors.New("frame has an impossible header")
)

// parseFrame reads one message. Values and trailer point into data.
func parseFrame(data []byte) (frame, error) {
	le := binary.LittleEndian
	switch {
	case len(data) < headerBytes+crcBytes:
		return frame{}, errShort
	case len(data) > proto.MaxMessage:
		return frame{}, errLong
	case data[0] != 'T' || data[1] != 'G':
		return frame{}, errMagic
	case data[2] != frameVersion:
		return frame{}, fmt.Errorf("frame has version %d, this program speaks %d", data[2], frameVersion)
	}
	body := len(data) - crcBytes
	if le.Uint32(data[body:]) != crc32.Checksum(data[:body], castagnoli) {
		return frame{}, errChecksum
	}
	f := frame{
		kind: frameKind(data[3]), exchange: proto.Exchange(data[4]), dtype: dtype(data[5]), status: status(data[6]),
		epoch:  le.Uint64(data[8:]),
		step:   int(int64(le.Uint64(data[16:]))),
		node:   proto.Node{Lo: int(le.Uint32(data[24:])), Hi: int(le.Uint32(data[28:]))},
		chunk:  int(le.Uint32(data[32:])),
		chunks: int(le.Uint32(data[36:])),
		low:    int(le.Uint32(data[40:])),
	}
	trailer, length := int(le.Uint32(data[44:])), le.Uint64(data[48:])
	if f.kind < partFrame || f.kind > lastKind || f.exchange > proto.Gradients || f.dtype > lastType ||
		f.status > lastStatus || data[7] != 0 || f.node.Hi > proto.MaxLanes ||
		trailer > body-headerBytes || length > math.MaxInt32 || f.chunk > f.chunks || f.low > f.chunks {
		return frame{}, errHeader
	}
	f.length, f.crc = int(length), le.Uint32(data[body:])
	f.values, f.trailer = data[headerBytes:body-trailer], data[body-trailer:body]
	return f, nil
}
