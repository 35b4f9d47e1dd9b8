package plain

import (
	"context"
	"io"

	"darkroom/internal/blob"
)

// denied refuses what no job does.
type denied struct{}

func (denied) CreateBucket(context.Context, string) error { return blob.ErrAccessDenied }
func (denied) DeleteBucket(context.Context, string) error { return blob.ErrAccessDenied }

func (denied) HeadBucket(context.Context, string) (blob.Bucket, error) {
	return blob.Bucket{}, blob.ErrAccessDenied
}

func (denied) BucketEncryption(context.Context, string) (blob.BucketEncryption, error) {
	return blob.BucketEncryption{}, blob.ErrAccessDenied
}

func (denied) SetBucketEncryption(context.Context, string, blob.BucketEncryption) error {
	return blob.ErrAccessDenied
}

func (denied) ListBuckets(context.Context) ([]blob.Bucket, error) { return nil, blob.ErrAccessDenied }

func (denied) Put(context.Context, string, string, io.Reader, blob.PutOptions) (blob.Info, error) {
	return blob.Info{}, blob.ErrAccessDenied
}

func (denied) Get(context.Context, string, string, *blob.Range, blob.Conditions) (*blob.Object, error) {
	return nil, blob.ErrAccessDenied
}

func (denied) Head(context.Context, string, string, blob.Conditions) (blob.Info, error) {
	return blob.Info{}, blob.ErrAccessDenied
}
func (denied) Delete(context.Context, string, string) error { return blob.ErrAccessDenied }

func (denied) Copy(context.Context, string, string, string, string, blob.CopyOptions) (blob.Info, error) {
	return blob.Info{}, blob.ErrAccessDenied
}

func (denied) List(context.Context, string, blob.ListOptions) (blob.Listing, error) {
	return blob.Listing{}, blob.ErrAccessDenied
}

func (denied) CreateUpload(context.Context, string, string, blob.UploadOptions) (blob.Upload, error) {
	return blob.Upload{}, blob.ErrAccessDenied
}

func (denied) UploadPart(context.Context, blob.Upload, int, io.Reader, blob.PutOptions) (blob.Part, error) {
	return blob.Part{}, blob.ErrAccessDenied
}

func (denied) CompleteUpload(context.Context, blob.Upload, []blob.Part, blob.Conditions) (blob.Info, error) {
	return blob.Info{}, blob.ErrAccessDenied
}
func (denied) AbortUpload(context.Context, blob.Upload) error { return blob.ErrAccessDenied }

func (denied) ListUploads(context.Context, string, string) ([]blob.Upload, error) {
	return nil, blob.ErrAccessDenied
}

func (denied) ListParts(context.Context, blob.Upload) ([]blob.Part, error) {
	return nil, blob.ErrAccessDenied
}
