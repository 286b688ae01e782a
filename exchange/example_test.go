package exchange_test

import (
	"context"
	"fmt"
	"time"

	"github.com/textground/textground/exchange"
	"github.com/textground/textground/proto"
)

// One step's gradients from one worker that holds both lanes: contribute the sum over its subtree, await the sum over all.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	server, err := exchange.StartServer(exchange.ServerConfig{Listen: true, Token: "of the run"})
	check(err)
	defer server.Close()

	coordinator, err := exchange.Dial(ctx, exchange.BusConfig{Run: "demo", Name: "coordinator", InProcess: server})
	check(err)
	defer coordinator.Close()
	hub, err := exchange.NewHub(coordinator, exchange.HubConfig{Lanes: 2, TextLen: 4, ColumnsLen: 4})
	check(err)
	defer hub.Close()
	check(hub.Open(1, 0, 3, nil))

	worker, err := exchange.Dial(ctx, exchange.BusConfig{Run: "demo", Name: "worker-1", URL: server.URL(), Token: "of the run"})
	check(err)
	defer worker.Close()
	client, err := exchange.NewClient(worker, exchange.ClientConfig{Lanes: 2, TextLen: 4})
	check(err)
	defer client.Close()
	client.BeginEpoch(1)

	lane0, lane1 := []float32{1, 2, 3}, []float32{10, 20, 30}
	both := make([]float32, 3)
	for i := range both {
		both[i] = lane0[i] + lane1[i]
	}
	client.Contribute(exchange.Part{Exchange: proto.Gradients, Node: proto.Root(2), Float32: both, Tail: make([]float64, proto.LossTerms)})
	reduced, err := client.Await(ctx, 0, proto.Gradients)
	check(err)
	fmt.Println(reduced.Float32)
	// Output: [11 22 33]
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
