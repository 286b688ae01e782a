package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"
)

// passing tells whether a call may succeed if it is made again: the network, an overloaded or restarting server, or two
// conditional writes that met (409; the precondition itself, 412, is an answer and not a failure).
func passing(err error) bool {
	if answer, ok := answerOf(err); ok {
		switch answer.StatusCode {
		case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests, 499:
			return true
		case http.StatusInsufficientStorage, http.StatusNotImplemented:
			return false
		}
		return answer.StatusCode >= 500 && !outOfSpace(answer.Code)
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded)
}

// answerOf finds what the server said, if it said anything.
func answerOf(err error) (minio.ErrorResponse, bool) {
	var answer minio.ErrorResponse
	return answer, errors.As(err, &answer) && answer.StatusCode != 0
}

func outOfSpace(code string) bool {
	return code == "QuotaExceeded" || code == "XMinioStorageFull" || code == "InsufficientStorage"
}

// explain turns the server's answer, or its silence, into the package's errors, with what to do.
func (b *bucket) explain(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if answer, ok := answerOf(err); ok {
		return b.explainAnswer(answer, err)
	}
	var transport *url.Error
	if errors.As(err, &transport) {
		return fmt.Errorf("the endpoint %s %w (%w): start it, or correct TEXTGROUND_S3_ENDPOINT", b.endpoint, ErrUnreachable, transport.Err)
	}
	return err
}

func (b *bucket) explainAnswer(answer minio.ErrorResponse, err error) error {
	said := fmt.Sprintf("the server at %s says %d %s", b.endpoint, answer.StatusCode, answer.Code)
	switch answer.Code {
	case minio.NoSuchKey:
		return ErrNotExist
	case minio.NoSuchBucket, "InvalidBucketName":
		return fmt.Errorf("%w: %s (%s): create it, or correct the store's address", ErrNoBucket, b.name, said)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "XAdminUserNotFound", "AuthorizationHeaderMalformed":
		return fmt.Errorf("%w (%s): correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_REGION), or the profile in the shared credentials file", ErrDenied, said)
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return fmt.Errorf("%w (%s): the session's keys have run out, get new ones", ErrDenied, said)
	case "RequestTimeTooSkewed":
		return fmt.Errorf("%w (%s): set this machine's clock", ErrDenied, said)
	}
	switch {
	case answer.StatusCode == http.StatusPreconditionFailed:
		return ErrExists
	case answer.StatusCode == http.StatusNotFound:
		return ErrNotExist
	case answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w (%s): give these keys the right to do this in the bucket's policy", ErrDenied, said)
	case answer.StatusCode == http.StatusInsufficientStorage, outOfSpace(answer.Code):
		return fmt.Errorf("%w (%s): free some space or raise the quota", ErrNoSpace, said)
	}
	return fmt.Errorf("%s: %w", said, err)
}
