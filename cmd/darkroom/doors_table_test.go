package main

import (
	"crypto/md5" //nolint:gosec // Content-MD5
	"encoding/base64"
	"net/url"
)

const (
	mcARN   = "arn:aws:mediaconvert:us-east-1:" + house + ":"
	theRole = "arn:aws:iam::" + house + ":role/MediaConvert_Default_Role"
)

// mediaconvertDoors are those of the Service Authorization Reference for MediaConvert.
func mediaconvertDoors() []door {
	row := func(operation, method, path, body string, asks ...string) door {
		return door{"mediaconvert", operation, method, "/2017-08-29" + path, body, nil, asks}
	}
	queue := url.PathEscape(mcARN + "queues/Default")
	return []door{
		row("AssociateCertificate", "POST", "/certificates", `{"arn":"arn:aws:acm:us-east-1:`+house+`:certificate/c"}`, "mediaconvert:AssociateCertificate *"),
		row("CancelJob", "DELETE", "/jobs/1515368087458-qnoxtd", "", "mediaconvert:CancelJob "+mcARN+"jobs/1515368087458-qnoxtd"),
		row("CreateJob", "POST", "/jobs", `{"role":"`+theRole+`","queue":"Default","jobTemplate":"t","tags":{"a":"b"},"settings":{"outputGroups":[{"outputs":[{"preset":"p"},{"preset":"q"}]}]}}`,
			"mediaconvert:CreateJob "+mcARN+"queues/Default", "mediaconvert:CreateJob "+mcARN+"jobTemplates/t", "mediaconvert:CreateJob "+mcARN+"presets/p", "mediaconvert:CreateJob "+mcARN+"presets/q",
			"mediaconvert:TagResource "+mcARN+"jobs/*", "iam:PassRole "+theRole),
		row("CreateJobTemplate", "POST", "/jobTemplates", `{"name":"t","queue":"Default","tags":{"a":"b"},"settings":{"outputGroups":[{"outputs":[{"preset":"p"}]}]}}`,
			"mediaconvert:CreateJobTemplate "+mcARN+"queues/Default", "mediaconvert:CreateJobTemplate "+mcARN+"presets/p", "mediaconvert:TagResource "+mcARN+"jobTemplates/t"),
		row("CreatePreset", "POST", "/presets", `{"name":"p","tags":{"a":"b"},"settings":{}}`, "mediaconvert:CreatePreset *", "mediaconvert:TagResource "+mcARN+"presets/p"),
		row("CreateQueue", "POST", "/queues", `{"name":"q","tags":{"a":"b"}}`, "mediaconvert:CreateQueue *", "mediaconvert:TagResource "+mcARN+"queues/q"),
		row("CreateResourceShare", "POST", "/resourceShares", `{"jobId":"j","supportCaseId":"c"}`, "mediaconvert:CreateResourceShare "+mcARN+"jobs/j"),
		row("DeleteJobTemplate", "DELETE", "/jobTemplates/t", "", "mediaconvert:DeleteJobTemplate "+mcARN+"jobTemplates/t"),
		row("DeletePolicy", "DELETE", "/policy", "", "mediaconvert:DeletePolicy *"),
		row("DeletePreset", "DELETE", "/presets/p", "", "mediaconvert:DeletePreset "+mcARN+"presets/p"),
		row("DeleteQueue", "DELETE", "/queues/q", "", "mediaconvert:DeleteQueue "+mcARN+"queues/q"),
		row("DescribeEndpoints", "POST", "/endpoints", "{}", "mediaconvert:DescribeEndpoints *"),
		row("DisassociateCertificate", "DELETE", "/certificates/c", "", "mediaconvert:DisassociateCertificate *"),
		row("GetJob", "GET", "/jobs/1515368087458-qnoxtd", "", "mediaconvert:GetJob "+mcARN+"jobs/1515368087458-qnoxtd"),
		row("GetJobTemplate", "GET", "/jobTemplates/t", "", "mediaconvert:GetJobTemplate "+mcARN+"jobTemplates/t"),
		row("GetJobsQueryResults", "GET", "/jobsQueries/x", "", "mediaconvert:GetJobsQueryResults *"),
		row("GetPolicy", "GET", "/policy", "", "mediaconvert:GetPolicy *"),
		row("GetPreset", "GET", "/presets/p", "", "mediaconvert:GetPreset "+mcARN+"presets/p"),
		row("GetQueue", "GET", "/queues/Default", "", "mediaconvert:GetQueue "+mcARN+"queues/Default"),
		row("ListJobTemplates", "GET", "/jobTemplates", "", "mediaconvert:ListJobTemplates *"),
		row("ListJobs", "GET", "/jobs", "", "mediaconvert:ListJobs *"),
		row("ListJobs", "GET", "/jobs?queue=Default", "", "mediaconvert:ListJobs "+mcARN+"queues/Default"),
		row("ListPresets", "GET", "/presets", "", "mediaconvert:ListPresets *"),
		row("ListQueues", "GET", "/queues", "", "mediaconvert:ListQueues *"),
		row("ListTagsForResource", "GET", "/tags/"+queue, "", "mediaconvert:ListTagsForResource "+mcARN+"queues/Default"),
		row("ListVersions", "GET", "/versions", "", "mediaconvert:ListVersions *"),
		row("Probe", "POST", "/probe", `{"inputFiles":[{"fileUrl":"s3://`+marker+`/k"}],"unknown":"so that nothing is looked into"}`, "mediaconvert:Probe *", "s3:GetObject arn:aws:s3:::"+marker+"/k"),
		row("PutPolicy", "PUT", "/policy", `{"policy":{}}`, "mediaconvert:PutPolicy *"),
		row("SearchJobs", "GET", "/search", "", "mediaconvert:SearchJobs *"),
		row("SearchJobs", "GET", "/search?queue=Default", "", "mediaconvert:SearchJobs "+mcARN+"queues/Default"),
		row("StartJobsQuery", "POST", "/jobsQueries", "{}", "mediaconvert:StartJobsQuery *"),
		row("TagResource", "POST", "/tags", `{"arn":"`+mcARN+`queues/Default","tags":{"a":"b"}}`, "mediaconvert:TagResource "+mcARN+"queues/Default"),
		row("UntagResource", "PUT", "/tags/"+queue, `{"tagKeys":["a"]}`, "mediaconvert:UntagResource "+mcARN+"queues/Default"),
		row("UpdateJobTemplate", "PUT", "/jobTemplates/t", `{"queue":"Default"}`, "mediaconvert:UpdateJobTemplate "+mcARN+"jobTemplates/t", "mediaconvert:UpdateJobTemplate "+mcARN+"queues/Default"),
		row("UpdatePreset", "PUT", "/presets/p", "{}", "mediaconvert:UpdatePreset "+mcARN+"presets/p"),
		row("UpdateQueue", "PUT", "/queues/q", "{}", "mediaconvert:UpdateQueue "+mcARN+"queues/q"),
	}
}

// s3Doors are those of the Service Authorization Reference for S3.
func s3Doors() []door {
	const bucket, object = "arn:aws:s3:::" + marker, "arn:aws:s3:::" + marker + "/a/b"
	row := func(operation, method, target, body string, asks ...string) door {
		return door{"s3", operation, method, target, body, nil, asks}
	}
	with := func(d door, header, value string) door {
		d.header = map[string]string{header: value}
		return d
	}
	const deletes = `<Delete><Object><Key>a/b</Key></Object><Object><Key>c</Key></Object></Delete>`
	sum := md5.Sum([]byte(deletes)) //nolint:gosec // see above
	all := []door{
		row("ListBuckets", "GET", "/", "", "s3:ListAllMyBuckets *"),
		row("CreateBucket", "PUT", "/"+marker, "", "s3:CreateBucket "+bucket),
		row("HeadBucket", "HEAD", "/"+marker, "", "s3:ListBucket "+bucket),
		row("ListObjects", "GET", "/"+marker, "", "s3:ListBucket "+bucket),
		row("ListObjectsV2", "GET", "/"+marker+"?list-type=2", "", "s3:ListBucket "+bucket),
		row("ListMultipartUploads", "GET", "/"+marker+"?uploads=", "", "s3:ListBucketMultipartUploads "+bucket),
		row("PutObject", "PUT", "/"+marker+"/a/b", "x", "s3:PutObject "+object),
		row("GetObject", "GET", "/"+marker+"/a/b", "", "s3:GetObject "+object),
		row("HeadObject", "HEAD", "/"+marker+"/a/b", "", "s3:GetObject "+object),
		row("GetObjectTagging", "GET", "/"+marker+"/a/b?tagging=", "", "s3:GetObjectTagging "+object),
		with(row("CopyObject", "PUT", "/"+marker+"/a/b", "", "s3:GetObject "+bucket+"/from", "s3:PutObject "+object), "X-Amz-Copy-Source", "/"+marker+"/from"),
		row("CreateMultipartUpload", "POST", "/"+marker+"/a/b?uploads=", "", "s3:PutObject "+object),
		row("UploadPart", "PUT", "/"+marker+"/a/b?partNumber=1&uploadId=u", "x", "s3:PutObject "+object),
		with(row("UploadPartCopy", "PUT", "/"+marker+"/a/b?partNumber=1&uploadId=u", "", "s3:GetObject "+bucket+"/from", "s3:PutObject "+object), "X-Amz-Copy-Source", "/"+marker+"/from"),
		row("CompleteMultipartUpload", "POST", "/"+marker+"/a/b?uploadId=u", "<CompleteMultipartUpload/>", "s3:PutObject "+object),
		row("AbortMultipartUpload", "DELETE", "/"+marker+"/a/b?uploadId=u", "", "s3:AbortMultipartUpload "+object),
		row("ListParts", "GET", "/"+marker+"/a/b?uploadId=u", "", "s3:ListMultipartUploadParts "+object),
		row("DeleteObject", "DELETE", "/"+marker+"/a/b", "", "s3:DeleteObject "+object),
		with(row("DeleteObjects", "POST", "/"+marker+"?delete=", deletes, "s3:DeleteObject "+object, "s3:DeleteObject "+bucket+"/c"), "Content-Md5", base64.StdEncoding.EncodeToString(sum[:])),
	}
	for sub, action := range map[string]string{
		"location": "GetBucketLocation", "versioning": "GetBucketVersioning", "encryption": "GetEncryptionConfiguration", "policy": "GetBucketPolicy", "tagging": "GetBucketTagging",
		"lifecycle": "GetLifecycleConfiguration", "cors": "GetBucketCORS", "website": "GetBucketWebsite", "replication": "GetReplicationConfiguration",
		"object-lock": "GetBucketObjectLockConfiguration", "requestPayment": "GetBucketRequestPayment",
	} {
		all = append(all, row(action, "GET", "/"+marker+"?"+sub+"=", "", "s3:"+action+" "+bucket))
	}
	return append(all, row("DeleteBucket", "DELETE", "/"+marker, "", "s3:DeleteBucket "+bucket))
}

func form(action string, members ...string) string {
	v := url.Values{"Action": {action}}
	for i := 0; i < len(members); i += 2 {
		v.Set(members[i], members[i+1])
	}
	return v.Encode()
}

func stsDoors() []door {
	const all = "arn:aws:iam::" + house + ":role/all"
	row := func(operation string, members []string, asks ...string) door {
		return door{"sts", operation, "POST", "/", form(operation, members...), nil, asks}
	}
	return []door{
		row("AssumeRole", []string{"RoleArn", all, "RoleSessionName", "s1", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "sts:AssumeRole "+all, "sts:TagSession "+all),
		row("AssumeRoleWithWebIdentity", []string{"RoleArn", all, "RoleSessionName", "s1", "WebIdentityToken", "xxxx"}, "sts:AssumeRoleWithWebIdentity "+all),
		row("GetSessionToken", nil),
		row("GetCallerIdentity", nil),
		row("GetAccessKeyInfo", []string{"AccessKeyId", "AKIAEXAMPLEEXAMPLE"}, "sts:GetAccessKeyInfo *"),
		row("DecodeAuthorizationMessage", []string{"EncodedMessage", "x"}, "sts:DecodeAuthorizationMessage *"),
	}
}

func iamDoors() []door {
	const user = "arn:aws:iam::" + house + ":user/"
	row := func(operation string, members []string, asks ...string) door {
		return door{"iam", operation, "POST", "/", form(operation, members...), nil, asks}
	}
	ann := []string{"UserName", "ann"}
	return []door{
		row("CreateUser", []string{"UserName", "ann", "Path", "/x/", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:CreateUser "+user+"x/ann", "iam:TagUser "+user+"x/ann"),
		row("GetUser", ann, "iam:GetUser "+user+"x/ann"),
		row("UpdateUser", []string{"UserName", "ann", "NewUserName", "anna", "NewPath", "/y/"}, "iam:UpdateUser "+user+"x/ann", "iam:UpdateUser "+user+"y/anna"),
		row("ListUsers", nil, "iam:ListUsers *"),
		row("DeleteUser", ann, "iam:DeleteUser "+user+"ann"),
	}
}
