package ingest

// Class says what became of a URL. The words stand in ledgers and never change their meaning.
type Class string

// The classes. [Class.Retryable] has those that another try may change.
const (
	Answered Class = "answered" // an image, in a shard

	BadURL           Class = "bad_url"            // no http or https URL
	RefusedAddress   Class = "refused_address"    // leads to an address that is not on the public internet
	ByRobots         Class = "robots"             // robots.txt forbids it
	OptedOut         Class = "opted_out"          // X-Robots-Tag: noai, noindex, none or alike
	NoSuchHost       Class = "no_such_host"       // nobody has the name
	ClientError      Class = "client_error"       // a status of 400 to 499 but 408, 425 and 429, or one that is none
	TooManyRedirects Class = "too_many_redirects" // Settings.MaxRedirects
	TooLarge         Class = "too_large"          // Settings.MaxBytes
	NotAnImage       Class = "not_an_image"       // of no format that is read: HTML, SVG
	BadImage         Class = "bad_image"          // breaks its format, ends too early, or is of an unsupported variant
	TooManyPixels    Class = "too_many_pixels"    // Settings.MaxPixels, claimed in the header; nothing was unpacked
	BadSize          Class = "bad_size"           // no pixels, shorter than Settings.MinSide, or longer than Settings.MaxAspect allows

	ServerError     Class = "server_error"      // a status of 500 and more, or 408 or 425
	TooManyRequests Class = "too_many_requests" // 429
	Timeout         Class = "timeout"           // Settings.Timeout
	Connection      Class = "connection"        // refused, reset, cut before its end, TLS
	BrokenName      Class = "broken_name"       // its name is not answered while other names are

	Duplicate Class = "duplicate" // the same bytes as an earlier URL of the list; only with Settings.Unique
)

// Retryable reports whether asking again may give another answer. ingest --retry-failed asks for these.
func (c Class) Retryable() bool {
	switch c {
	case ServerError, TooManyRequests, Timeout, Connection, BrokenName:
		return true
	}
	return false
}

// Classes are all of them, in the order in which reports name them.
var Classes = []Class{Answered, Duplicate, BadURL, RefusedAddress, ByRobots, OptedOut, NoSuchHost, ClientError, TooManyRedirects, TooLarge,
	NotAnImage, BadImage, TooManyPixels, BadSize, ServerError, TooManyRequests, Timeout, Connection, BrokenName}

// failure is why a URL gave no image.
type failure struct {
	class  Class
	status int // of the last response, or 0
	err    error
}

func (f *failure) Error() string { return string(f.class) + ": " + f.err.Error() }
func (f *failure) Unwrap() error { return f.err }
