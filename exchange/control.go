package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/textground/textground/proto"
)

// PublishOrders says to all workers what the coordinator wants. It fails while the connection is away; the next orders replace
// these in any case.
func (b *Bus) PublishOrders(o proto.Orders) error {
	return b.publishControl(proto.OrdersSubject(b.run), "orders", o)
}

// PublishReport says to the coordinator what is the case with this worker, whose name is the bus's.
func (b *Bus) PublishReport(r proto.Report) error {
	if r.Worker != b.name {
		panic(fmt.Sprintf("exchange: %s reports in the name of %s", b.name, r.Worker))
	}
	return b.publishControl(proto.ReportSubject(b.run, b.name), "report", r)
}

func (b *Bus) publishControl(subject, what string, v any) error {
	data, err := json.Marshal(v)
	if err == nil && len(data) > proto.MaxMessage {
		err = fmt.Errorf("%d bytes, at most %d fit", len(data), proto.MaxMessage)
	}
	if err == nil {
		err = b.publish(subject, "", data)
	}
	if err != nil {
		return fmt.Errorf("publishing %s on %s: %w", what, subject, err)
	}
	return nil
}

// OnOrders calls handle for all orders of the run, one after the other. Messages that are no orders are dropped and counted.
func (b *Bus) OnOrders(handle func(proto.Orders)) (cancel func(), err error) {
	return b.subscribe(proto.OrdersSubject(b.run), func(m message) {
		var o proto.Orders
		if b.decode(m, &o) {
			handle(o)
		}
	})
}

// OnReport calls handle for the reports of worker, or of every worker when it is "". A report that does not bear the name of
// its subject, or is none, is dropped and counted.
func (b *Bus) OnReport(worker string, handle func(proto.Report)) (cancel func(), err error) {
	if worker == "" {
		worker = "*"
	}
	return b.subscribe(proto.ReportSubject(b.run, worker), func(m message) {
		var r proto.Report
		if !b.decode(m, &r) {
			return
		}
		if r.Worker != nameIn(m.subject) {
			b.dropControl(m, fmt.Errorf("it bears the name %q", r.Worker))
			return
		}
		handle(r)
	})
}

// nameIn returns the worker's name in the subject tg.<run>.<up or state>.<name>.…
func nameIn(subject string) string {
	tokens := strings.Split(subject, ".")
	if len(tokens) < 4 {
		return ""
	}
	return tokens[3]
}

func (b *Bus) decode(m message, into any) bool {
	err := decodeStrictly(m.data, into)
	if err != nil {
		b.dropControl(m, err)
	}
	return err == nil
}

func (b *Bus) dropControl(m message, why error) {
	b.bad.Add(1)
	b.log.Warn("message dropped", "subject", m.subject, "bytes", len(m.data), "error", why)
}

// decodeStrictly reads exactly one JSON value without unknown fields.
func decodeStrictly(data []byte, into any) error {
	if len(data) > proto.MaxMessage {
		return errLong
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("reading JSON: more than one value")
	}
	return nil
}
