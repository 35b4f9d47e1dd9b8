package mediaconvert

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
)

// Version is the version of the API, the first part of every path.
const Version = "2017-08-29"

// Operation is one operation of the API.
type Operation struct {
	Name    string
	Method  string // of HTTP
	Path    string // below Version, with at most one variable, in braces, as its last part
	Success int    // the HTTP status of an answer

	input func() any // makes the structure of a request
}

// operations are all operations of the model, by name.
var operations = [...]Operation{
	{"AssociateCertificate", "POST", "/certificates", 201, func() any { return new(mediaconvert.AssociateCertificateInput) }},
	{"CancelJob", "DELETE", "/jobs/{Id}", 202, func() any { return new(mediaconvert.CancelJobInput) }},
	{"CreateJob", "POST", "/jobs", 201, func() any { return new(mediaconvert.CreateJobInput) }},
	{"CreateJobTemplate", "POST", "/jobTemplates", 201, func() any { return new(mediaconvert.CreateJobTemplateInput) }},
	{"CreatePreset", "POST", "/presets", 201, func() any { return new(mediaconvert.CreatePresetInput) }},
	{"CreateQueue", "POST", "/queues", 201, func() any { return new(mediaconvert.CreateQueueInput) }},
	{"CreateResourceShare", "POST", "/resourceShares", 202, func() any { return new(mediaconvert.CreateResourceShareInput) }},
	{"DeleteJobTemplate", "DELETE", "/jobTemplates/{Name}", 202, func() any { return new(mediaconvert.DeleteJobTemplateInput) }},
	{"DeletePolicy", "DELETE", "/policy", 200, func() any { return new(mediaconvert.DeletePolicyInput) }},
	{"DeletePreset", "DELETE", "/presets/{Name}", 202, func() any { return new(mediaconvert.DeletePresetInput) }},
	{"DeleteQueue", "DELETE", "/queues/{Name}", 202, func() any { return new(mediaconvert.DeleteQueueInput) }},
	{"DescribeEndpoints", "POST", "/endpoints", 200, func() any { return new(mediaconvert.DescribeEndpointsInput) }},
	{"DisassociateCertificate", "DELETE", "/certificates/{Arn}", 202, func() any { return new(mediaconvert.DisassociateCertificateInput) }},
	{"GetJob", "GET", "/jobs/{Id}", 200, func() any { return new(mediaconvert.GetJobInput) }},
	{"GetJobTemplate", "GET", "/jobTemplates/{Name}", 200, func() any { return new(mediaconvert.GetJobTemplateInput) }},
	{"GetJobsQueryResults", "GET", "/jobsQueries/{Id}", 200, func() any { return new(mediaconvert.GetJobsQueryResultsInput) }},
	{"GetPolicy", "GET", "/policy", 200, func() any { return new(mediaconvert.GetPolicyInput) }},
	{"GetPreset", "GET", "/presets/{Name}", 200, func() any { return new(mediaconvert.GetPresetInput) }},
	{"GetQueue", "GET", "/queues/{Name}", 200, func() any { return new(mediaconvert.GetQueueInput) }},
	{"ListJobTemplates", "GET", "/jobTemplates", 200, func() any { return new(mediaconvert.ListJobTemplatesInput) }},
	{"ListJobs", "GET", "/jobs", 200, func() any { return new(mediaconvert.ListJobsInput) }},
	{"ListPresets", "GET", "/presets", 200, func() any { return new(mediaconvert.ListPresetsInput) }},
	{"ListQueues", "GET", "/queues", 200, func() any { return new(mediaconvert.ListQueuesInput) }},
	{"ListTagsForResource", "GET", "/tags/{Arn}", 200, func() any { return new(mediaconvert.ListTagsForResourceInput) }},
	{"ListVersions", "GET", "/versions", 200, func() any { return new(mediaconvert.ListVersionsInput) }},
	{"Probe", "POST", "/probe", 200, func() any { return new(mediaconvert.ProbeInput) }},
	{"PutPolicy", "PUT", "/policy", 200, func() any { return new(mediaconvert.PutPolicyInput) }},
	{"SearchJobs", "GET", "/search", 200, func() any { return new(mediaconvert.SearchJobsInput) }},
	{"StartJobsQuery", "POST", "/jobsQueries", 201, func() any { return new(mediaconvert.StartJobsQueryInput) }},
	{"TagResource", "POST", "/tags", 200, func() any { return new(mediaconvert.TagResourceInput) }},
	{"UntagResource", "PUT", "/tags/{Arn}", 200, func() any { return new(mediaconvert.UntagResourceInput) }},
	{"UpdateJobTemplate", "PUT", "/jobTemplates/{Name}", 200, func() any { return new(mediaconvert.UpdateJobTemplateInput) }},
	{"UpdatePreset", "PUT", "/presets/{Name}", 200, func() any { return new(mediaconvert.UpdatePresetInput) }},
	{"UpdateQueue", "PUT", "/queues/{Name}", 200, func() any { return new(mediaconvert.UpdateQueueInput) }},
}

// inputPackage is where the structures of requests are declared, whose names in the model end otherwise.
var inputPackage = reflect.TypeFor[mediaconvert.CreateJobInput]().PkgPath()

// Operations returns all operations of the API in the order of their names. The caller may change the result.
func Operations() []Operation { return slices.Clone(operations[:]) }

// Route is an operation with what the path says.
type Route struct {
	*Operation
	// Param is the variable of the path, decoded; empty where the operation has none.
	Param string
}

// ErrUnknownPath is returned by Match for a path that no operation has.
var ErrUnknownPath = errors.New("no operation has this path")

// MethodError is returned by Match for a path that operations have, but with other methods.
type MethodError struct {
	Allowed []string // sorted
}

func (e *MethodError) Error() string {
	return "this path is for " + strings.Join(e.Allowed, ", ")
}

// Match finds the operation of a request by its method and its path as it was sent, still escaped: a variable can be an ARN, whose
// slashes and colons are percent-encoded. It returns ErrUnknownPath or a *MethodError.
func Match(method, escapedPath string) (Route, error) {
	rest, ok := strings.CutPrefix(escapedPath, "/"+Version+"/")
	if !ok {
		return Route{}, ErrUnknownPath
	}
	collection, raw, hasParam := strings.Cut(rest, "/")
	param := ""
	if hasParam {
		if param, ok = pathParam(raw); !ok {
			return Route{}, ErrUnknownPath
		}
	}
	var allowed []string
	for i := range operations {
		op := &operations[i]
		c, _, variable := strings.Cut(op.Path[1:], "/")
		if c != collection || variable != hasParam {
			continue
		}
		if op.Method == method {
			return Route{op, param}, nil
		}
		allowed = append(allowed, op.Method)
	}
	if allowed == nil {
		return Route{}, ErrUnknownPath
	}
	slices.Sort(allowed)
	return Route{}, &MethodError{slices.Compact(allowed)}
}

// maxParam is how many bytes the variable of a path may have; the longest is an ARN.
const maxParam = 2048

// pathParam decodes the last part of a path.
func pathParam(raw string) (string, bool) {
	if raw == "" || strings.Contains(raw, "/") {
		return "", false
	}
	p, err := url.PathUnescape(raw)
	if err != nil || len(p) > maxParam || !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) {
		return "", false
	}
	return p, true
}
