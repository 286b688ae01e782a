package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/textground/textground/store"
)

// A badSample says why training cannot use a sample. The verdict is a function of the sample's bytes alone, so that every
// worker takes the same stand-in.
type badSample struct {
	reason string // a short class, for counting
	err    error
}

func (b *badSample) Error() string { return fmt.Sprintf("%s: %v", b.reason, b.err) }
func (b *badSample) Unwrap() error { return b.err }

// decodeSample returns the picture and the caption of a sample, or a *badSample. decode unpacks the picture.
func decodeSample(image, text, info []byte, field string, decode func([]byte) (*Image, error)) (*Image, string, error) {
	caption, err := captionOf(text, info, field)
	if err != nil {
		return nil, "", err
	}
	img, err := decode(image)
	if err != nil {
		reason := "not_decodable"
		if d := (*DecodeError)(nil); errors.As(err, &d) {
			reason = d.Reason
		}
		return nil, "", &badSample{reason, err}
	}
	return img, caption, nil
}

// captionFields are the fields in which a sample's JSON object may have its caption, the first that is there counts.
var captionFields = []string{"caption", "text", "TEXT"}

// captionOf takes the text where a sample has one, else its JSON object's caption: the field of that name, or one of captionFields
// if none is named. An empty caption is a caption.
func captionOf(text, info []byte, field string) (string, error) {
	if text != nil {
		return string(text), nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(info, &fields); err != nil {
		return "", &badSample{"caption_json", err}
	}
	wanted := captionFields
	if field != "" {
		wanted = []string{field}
	}
	for _, name := range wanted {
		raw, present := fields[name]
		if !present || string(raw) == "null" {
			continue
		}
		var caption string
		if err := json.Unmarshal(raw, &caption); err != nil {
			return "", &badSample{"caption_json", fmt.Errorf("its field %s: %w", name, err)}
		}
		return caption, nil
	}
	return "", &badSample{"no_caption", fmt.Errorf("its JSON object has no text in %s", strings.Join(wanted, ", "))}
}

// entries reads the bytes of a sample with read: its image, and its text or else its JSON object; what it lacks is nil.
func (s *Shard) entries(place int, read func(span) ([]byte, error)) (image, text, info []byte, err error) {
	if image, err = read(s.Images.at(place)); err != nil {
		return nil, nil, nil, err
	}
	if at := s.Texts.at(place); at != (span{}) {
		text, err = read(at)
	} else {
		info, err = read(s.JSONs.at(place))
	}
	return image, text, info, err
}

// ReadSample reads one sample from the store, without the rest of its shard. It is for looking at data; a Loader reads
// whole shards and checks them.
func ReadSample(ctx context.Context, st store.Store, prefix string, ix *Index, id SampleID) (Sample, error) {
	number, place := ix.Locate(id)
	shard := &ix.Shards[number]
	read := func(at span) ([]byte, error) {
		r, err := st.Get(ctx, objectKey(prefix, shard.Name), int64(at.offset), int64(at.length))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", ix.Name(id), err)
		}
		defer r.Close()
		data := make([]byte, at.length)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, fmt.Errorf("reading %s at byte %d: %w", ix.Name(id), at.offset, err)
		}
		return data, nil
	}
	image, text, info, err := shard.entries(place, read)
	if err != nil {
		return Sample{}, err
	}
	s := Sample{Key: shard.key(place), Image: image}
	if s.Caption, err = captionOf(text, info, ix.CaptionField); err != nil {
		return Sample{}, fmt.Errorf("reading the caption of %s: %w", ix.Name(id), err)
	}
	if at := shard.Masks.at(place); at != (span{}) {
		s.Mask, err = read(at)
	}
	return s, err
}
