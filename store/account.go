package store

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// account is where a bucket lies and who asks for it.
type account struct {
	endpoint    string // http://host:port or https://host
	region      string
	keys        *credentials.Credentials
	pathBuckets bool // address buckets in the path, as servers other than AWS need
}

// accountFromEnvironment reads TEXTGROUND_S3_ENDPOINT or AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or
// AWS_DEFAULT_REGION, and for the keys, first hit: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN),
// the shared credentials file with AWS_PROFILE, the machine's own role.
func accountFromEnvironment() (account, error) {
	a := account{
		endpoint: firstOf("TEXTGROUND_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
		region:   firstOf("AWS_REGION", "AWS_DEFAULT_REGION"),
	}
	if a.region == "" {
		a.region = "us-east-1"
	}
	a.pathBuckets = a.endpoint != ""
	if a.endpoint == "" {
		a.endpoint = "https://s3." + a.region + ".amazonaws.com"
	}
	a.keys = credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{},
	})
	// The machine's role is asked for over the network; where there is none, that must not take long.
	found, err := a.keys.GetWithContext(&credentials.CredContext{Client: &http.Client{Timeout: 2 * time.Second}})
	if err != nil || found.AccessKeyID == "" || found.SecretAccessKey == "" {
		return account{}, fmt.Errorf("%w: no keys found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE and the shared credentials file", ErrDenied)
	}
	return a, nil
}

func firstOf(names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}

func (a account) connect() (*minio.Core, error) {
	u, err := url.Parse(a.endpoint)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("the S3 endpoint is not http://HOST:PORT or https://HOST, without user and password: correct TEXTGROUND_S3_ENDPOINT")
	}
	lookup := minio.BucketLookupAuto
	if a.pathBuckets {
		lookup = minio.BucketLookupPath
	}
	return minio.NewCore(u.Host, &minio.Options{
		Creds:        a.keys,
		Secure:       u.Scheme == "https",
		Region:       a.region,
		BucketLookup: lookup,
		MaxRetries:   1, // retries are ours: one loop, counted, with its own clock
	})
}
