package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeysComeFromTheSharedFileWhenTheEnvironmentHasNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[default]\naws_access_key_id = d\naws_secret_access_key = ds\n[team]\naws_access_key_id = t\naws_secret_access_key = ts\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_ACCESS_KEY", "")
	t.Setenv("AWS_SECRET_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	for profile, want := range map[string]string{"": "d", "team": "t"} {
		t.Setenv("AWS_PROFILE", profile)
		a, err := accountFromEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := a.keys.GetWithContext(nil); err != nil || keys.AccessKeyID != want {
			t.Errorf("profile %q: key %q, %v", profile, keys.AccessKeyID, err)
		}
	}
}

func TestWithoutAnEndpointTheRegionsOwnIsUsed(t *testing.T) {
	s3Environment(t, "")
	t.Setenv("AWS_ENDPOINT_URL_S3", "")
	t.Setenv("AWS_ENDPOINT_URL", "")
	t.Setenv("AWS_REGION", "eu-central-1")
	a, err := accountFromEnvironment()
	if err != nil || !strings.HasPrefix(a.endpoint, "https://s3.eu-central-1.") || a.pathBuckets {
		t.Errorf("%q, %v", a.endpoint, err)
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	if a, err := accountFromEnvironment(); err != nil || a.endpoint != "http://127.0.0.1:1" || !a.pathBuckets {
		t.Errorf("%q, %v", a.endpoint, err)
	}
}
