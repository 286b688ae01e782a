package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/textground/textground/kernels/cuda"
	"github.com/textground/textground/kernels/devices"
)

// readGPUs returns the numbers of the cards that --gpus asks for: all of them, so many, or those listed.
func readGPUs(text string) ([]int, error) {
	usable, err := usableCards()
	if err != nil {
		return nil, badInput(fmt.Sprintf("--gpus %s: %v; %s", text, err, devices.WithoutCard))
	}
	if text == "all" {
		return usable, nil
	}
	if count, err := strconv.Atoi(text); err == nil {
		if count < 1 || count > len(usable) {
			return nil, badInput(fmt.Sprintf("--gpus %d: this machine has %d cards that can be used", count, len(usable)))
		}
		return usable[:count], nil
	}
	var cards []int
	for _, word := range strings.Split(text, ",") {
		card, err := strconv.Atoi(word)
		if err != nil || !slices.Contains(usable, card) || slices.Contains(cards, card) {
			return nil, badInput(fmt.Sprintf("--gpus %s: want all, a count, or different numbers out of %v, such as 0,2", text, usable))
		}
		cards = append(cards, card)
	}
	return cards, nil
}

// usableCards lists the cards of this machine that have kernels. None is an error.
func usableCards() (usable []int, err error) {
	system, err := cuda.Describe()
	if err != nil {
		return nil, err
	}
	for _, c := range system.Cards {
		if c.SM >= cuda.LeastSM {
			usable = append(usable, c.Index)
		} else if err == nil {
			err = fmt.Errorf("cuda:%d: %s", c.Index, c.Kernels)
		}
	}
	if len(usable) > 0 {
		return usable, nil
	}
	if err == nil {
		err = errors.New("this machine has no NVIDIA card")
	}
	return nil, err
}

// localDevices are the devices over which workers of this machine are spread, one card after the other. It returns none
// where each worker opens the run's device as it is named.
func localDevices(device string, cards []int) []string {
	base := device
	switch device {
	case "", "auto":
		base = "cuda"
	case "cuda", "cuda-float32":
	default:
		return nil
	}
	if len(cards) == 0 {
		cards, _ = usableCards() // a worker that opens none says why
	}
	var names []string
	for _, card := range cards {
		names = append(names, fmt.Sprintf("%s:%d", base, card))
	}
	return names
}
