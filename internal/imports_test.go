package internal_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "darkroom/internal/"

// order is the house from the ground up: a package may import only packages that stand before it.
var order = []string{
	// ground
	"media", "arn", "uri", "secret", "constraint", "awsjson", "mediaconvert", "awsquery",
	// pure: one package for each specification
	"sigv4", "iam", "totp", "oidc", "cenc", "cpix", "caption", "digest", "event", "eventpattern", "hold", "provenance", "job", "lease", "rules", "preset", "plan", "ffmpeg", "isobmff", "id3", "cmaf", "mp4", "mpegts", "hls", "dash", "mss", "m3u8", "cse", "timestamp", "timestamp/timestamptest",
	// doors: each the only way to one outside thing
	"sandbox", "egress", "linefile", "target", "target/webhook", "target/aws", "target/nats", "target/kafka", "target/file", "target/command", "target/targettest", "speke", "origin", "blob", "blob/blobtest", "blob/plain", "blob/dir", "blob/s3", "kms", "root", "audit", "audit/audittest", "siem", "store", "store/storetest", "store/sqlite", "store/sealed", "registry", "pki",
	// engines
	"identity", "certificate", "eventbus", "keys", "keyserver", "contentkeys", "feed", "watch", "anchor", "queue", "queue/queuetest", "trail", "validate", "packager", "packager/directory", "worker", "sbom", "inspect", "comply", "signer", "backup", "lifecycle",
	// faces
	"config", "gateway", "api", "s3api", "queryapi", "jsonapi", "kmsapi", "iamapi", "stsapi", "acmapi", "eventsapi", "cloudtrailapi", "lifecycleapi", "playerapi", "executeapi", "workerapi", "metric", "trace",
}

// pure packages have no outside: what they are given is all they know.
var pure = []string{"media", "arn", "uri", "constraint", "awsjson", "mediaconvert", "awsquery", "sigv4", "iam", "totp", "oidc", "cenc", "cpix", "caption", "digest", "event", "eventpattern", "hold", "provenance", "job", "lease", "rules", "preset", "plan", "ffmpeg", "isobmff", "id3", "cmaf", "mp4", "mpegts", "hls", "dash", "mss", "m3u8", "timestamp"}

type pkg struct {
	ImportPath, Dir string
	GoFiles         []string
	Imports, Deps   []string
}

func load(t *testing.T) map[string]pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json", "darkroom/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pkg{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(p.ImportPath, "darkroom/test") { // clients and benches: no part of the program
			all[p.ImportPath] = p
		}
	}
}

// short is a package's name in the house; the helpers and programs of a package's tests belong to it.
func short(path string) string {
	name, ok := strings.CutPrefix(path, module)
	if !ok {
		return ""
	}
	for _, known := range order {
		if name == known {
			return name
		}
	}
	if i := strings.IndexByte(name, '/'); i > 0 && (strings.Contains(name, "test") || strings.Contains(name, "testdata")) {
		return name[:i]
	}
	return name
}

func TestImports(t *testing.T) {
	t.Parallel()
	all := load(t)
	forbid := func(who []string, reason string, what ...string) {
		for _, name := range who {
			p, ok := all[module+name]
			if !ok {
				continue
			}
			for _, dep := range what {
				if slices.Contains(p.Deps, module+dep) {
					t.Errorf("%s reaches %s: %s", name, dep, reason)
				}
			}
		}
	}
	for path, p := range all {
		name := short(path)
		if name == "" || strings.HasSuffix(path, "_test") {
			continue
		}
		at := slices.Index(order, name)
		if at < 0 {
			t.Errorf("%s is not in the order: say where it stands", name)
			continue
		}
		for _, imp := range p.Imports {
			if other := short(imp); other != "" && other != name && slices.Index(order, other) > at {
				t.Errorf("%s imports %s, which stands above it: imports run down only, so that a part can be understood without what is built on it", name, other)
			}
		}
	}
	faces := []string{"gateway", "api", "s3api", "queryapi", "stsapi", "jsonapi", "kmsapi", "iamapi", "acmapi", "cloudtrailapi", "lifecycleapi", "playerapi", "executeapi", "workerapi", "metric", "trace", "config"}
	forbid(faces, "what listens can neither start a process nor dial out", "worker", "packager", "ffmpeg", "sandbox", "egress")
	forbid([]string{"worker"}, "a worker broken by hostile media has no database to read and no signature to forge", "api", "store", "store/sqlite", "iam", "sigv4", "identity", "certificate", "keys", "keyserver", "root", "queue")
	forbid([]string{"validate"}, "who judges a package is none of those who write it", "packager", "cenc", "isobmff", "cmaf", "mp4", "mpegts", "hls", "dash", "mss", "caption", "plan")
	formats := []string{"cmaf", "mp4", "mpegts", "hls", "dash", "mss", "m3u8"}
	for _, f := range formats {
		others := slices.DeleteFunc(slices.Clone(formats), func(o string) bool { return o == f })
		forbid([]string{f}, "formats share media words and nothing else", others...)
	}
	for _, name := range pure {
		for _, imp := range all[module+name].Imports {
			switch imp {
			case "os", "net", "net/http", "os/exec", "database/sql", "log", "log/slog":
				t.Errorf("%s imports %s: a pure package has no I/O", name, imp)
			}
		}
	}
	for path, p := range all {
		name := short(path)
		if slices.Contains(p.Imports, "os/exec") && name != "sandbox" && !strings.HasSuffix(path, "test") { // what only tests import may
			t.Errorf("%s imports os/exec: sandbox is the only place that starts a process", path)
		}
		if slices.Contains(p.Imports, "database/sql") && name != "store/sqlite" {
			t.Errorf("%s imports database/sql: SQL is written below store alone", path)
		}
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, "github.com/aws/aws-sdk-go-v2/service/s3") && name != "blob/s3" {
				t.Errorf("%s imports %s: the cloud's clients are used below blob/s3 and kms alone", path, imp)
			}
			if (strings.HasPrefix(imp, "github.com/aws/aws-sdk-go-v2/service/sqs") || strings.HasPrefix(imp, "github.com/aws/aws-sdk-go-v2/service/sns")) && name != "target/aws" {
				t.Errorf("%s imports %s: events go to queues and topics through target/aws alone", path, imp)
			}
			if imp == "github.com/aws/aws-sdk-go-v2/aws/signer/v4" && !slices.Contains([]string{"blob/s3", "speke", ""}, name) {
				t.Errorf("%s imports %s: requests are signed where they go out, to object stores, to key servers of others and from commands, and nowhere else", path, imp)
			}
			if strings.HasPrefix(imp, "github.com/aws/aws-sdk-go-v2/service/mediaconvert") && !slices.Contains([]string{"mediaconvert", "rules", "preset", "plan", "api"}, name) && name != "" {
				t.Errorf("%s imports %s: only api, plan, rules and preset read JobSettings", path, imp)
			}
		}
	}
}

// calls that no package but the named one may write, with the reason. A selector that begins with an import path is one of that package alone.
var calls = []struct {
	selector, allowed, reason string
}{
	{"github.com/aws/aws-sdk-go-v2/service/sts.New", "blob/s3", "the cloud's clients are used below blob/s3 and kms alone"},
	{"github.com/aws/aws-sdk-go-v2/service/sts.NewFromConfig", "blob/s3", "the cloud's clients are used below blob/s3 and kms alone"},
	{"github.com/aws/aws-sdk-go-v2/service/kms.New", "kms", "the cloud's clients are used below blob/s3 and kms alone"},
	{"github.com/aws/aws-sdk-go-v2/service/kms.NewFromConfig", "kms", "the cloud's clients are used below blob/s3 and kms alone"},
	{"net.Dial", "egress", "egress is the only place that dials"},
	{"net.DialTimeout", "egress", "egress is the only place that dials"},
	{"net.Dialer", "egress", "egress is the only place that dials"},
	{"http.Get", "egress", "egress is the only place that dials"},
	{"http.DefaultClient", "egress", "egress is the only place that dials"},
	{"http.DefaultTransport", "egress", "egress is the only place that dials"},
	{"http.ProxyFromEnvironment", "egress", "no proxy is taken from the environment, and egress takes none at all"},
	{"net.DefaultResolver", "egress", "egress is the only place that dials"},
	{"net.LookupHost", "egress", "egress is the only place that dials"},
	{"net.LookupIP", "egress", "egress is the only place that dials"},
	{"tls.Dial", "egress", "egress is the only place that dials"},
}

// importsOf returns the import paths of a file by the names that it knows them by.
func importsOf(f *ast.File) map[string]string {
	byName := map[string]string{}
	for _, imp := range f.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		byName[name] = path
	}
	return byName
}

func TestCalls(t *testing.T) {
	t.Parallel()
	for path, p := range load(t) {
		name := short(path)
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			imported := importsOf(f)
			ast.Inspect(f, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, ok := s.X.(*ast.Ident)
				if !ok {
					return true
				}
				written := x.Name + "." + s.Sel.Name
				full := imported[x.Name] + "." + s.Sel.Name
				for _, c := range calls {
					if (written == c.selector || full == c.selector) && name != c.allowed {
						t.Errorf("%s/%s uses %s: %s", path, file, written, c.reason)
					}
				}
				if slices.Contains(pure, name) && (written == "time.Now" || written == "time.Since") {
					t.Errorf("%s/%s uses %s: a pure package is given the time", path, file, written)
				}
				return true
			})
		}
		if name == "plan" {
			for _, file := range p.GoFiles {
				f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, 0)
				if err != nil {
					t.Fatal(err)
				}
				ast.Inspect(f, func(n ast.Node) bool {
					if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						text, _ := strconv.Unquote(lit.Value)
						for _, word := range []string{"ffmpeg", "libx264", "-c:v", "scale="} {
							if strings.Contains(text, word) {
								t.Errorf("plan/%s says %q: plan knows no word of an encoder", file, text)
							}
						}
					}
					return true
				})
			}
		}
	}
}
