package exchange

import (
	"fmt"
	"testing"

	"github.com/textground/textground/proto"
	"golang.org/x/sync/errgroup"
)

// BenchmarkExchange is one gradient exchange at the size of phase 1, 21.6 M float32 (86 MB): each worker sends one part and
// fetches the sum, over loopback sockets and a server in this process. MB/s counts what all workers send and receive.
func BenchmarkExchange(b *testing.B) {
	for _, workers := range []int{2, 4} {
		b.Run(fmt.Sprintf("%d-workers", workers), func(b *testing.B) {
			benchmarkSteps(b, workers, 21_600_000, false)
		})
	}
}

// BenchmarkSmallStep is all three exchanges of a step at the demo's size: what a step pays for the bus beside its bytes.
func BenchmarkSmallStep(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("%d-workers", workers), func(b *testing.B) {
			benchmarkSteps(b, workers, 300_000, true)
		})
	}
}

func benchmarkSteps(b *testing.B, workers, length int, all bool) {
	w := newWorld(b, workers, length)
	clients := make([]*Client, workers)
	gradients := make([][]float32, workers)
	for i := range clients {
		clients[i] = w.worker(fmt.Sprintf("w%d", i))
		gradients[i] = gradientOf(0, i, length)
	}
	b.SetBytes(int64(2 * workers * 4 * length))
	step := 0
	for b.Loop() {
		if step > 0 {
			w.hub.Following(false)
			w.hub.CloseSteps(step - 1)
			open(b, w.hub, testEpoch, step, length)
		}
		g, ctx := errgroup.WithContext(b.Context())
		for i, c := range clients {
			g.Go(func() error {
				if all {
					c.Contribute(Part{Step: step, Exchange: proto.Texts, Node: leaf(i), Float32: textOf(0, i)})
					if _, err := c.Await(ctx, step, proto.Texts); err != nil {
						return err
					}
					p := columnPart(0, leaf(i))
					p.Step = step
					c.Contribute(p)
					if _, err := c.Await(ctx, step, proto.Columns); err != nil {
						return err
					}
				}
				s := c.Contribute(Part{Step: step, Exchange: proto.Gradients, Node: leaf(i), Float32: gradients[i], Tail: make([]float64, proto.LossTerms)})
				if _, err := c.Await(ctx, step, proto.Gradients); err != nil {
					return err
				}
				return s.Wait(ctx)
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		step++
	}
}
