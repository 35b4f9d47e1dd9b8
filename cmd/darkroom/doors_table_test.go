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
	const encryption = `<ServerSideEncryptionConfiguration><Rule/></ServerSideEncryptionConfiguration>`
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
		row("GetBucketEncryption", "GET", "/"+marker+"?encryption=", "", "s3:GetEncryptionConfiguration "+bucket),
		row("PutBucketEncryption", "PUT", "/"+marker+"?encryption=", encryption, "s3:PutEncryptionConfiguration "+bucket),
		row("DeleteBucketEncryption", "DELETE", "/"+marker+"?encryption=", "", "s3:PutEncryptionConfiguration "+bucket),
		with(row("PutObject", "PUT", "/"+marker+"/a/b", "x", "s3:PutObject "+object, "s3:PutObjectAcl "+object), "X-Amz-Acl", "private"),
		row("AbortMultipartUpload", "DELETE", "/"+marker+"/a/b?uploadId=u", "", "s3:AbortMultipartUpload "+object),
		row("ListParts", "GET", "/"+marker+"/a/b?uploadId=u", "", "s3:ListMultipartUploadParts "+object),
		row("DeleteObject", "DELETE", "/"+marker+"/a/b", "", "s3:DeleteObject "+object),
		with(row("DeleteObjects", "POST", "/"+marker+"?delete=", deletes, "s3:DeleteObject "+object, "s3:DeleteObject "+bucket+"/c"), "Content-Md5", base64.StdEncoding.EncodeToString(sum[:])),
	}
	for sub, action := range map[string]string{
		"location": "GetBucketLocation", "versioning": "GetBucketVersioning", "policy": "GetBucketPolicy", "tagging": "GetBucketTagging",
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

// iamDoors are those of the Service Authorization Reference for IAM. A user ann is there, at the path /x/.
func iamDoors() []door {
	const (
		user, group, role = "arn:aws:iam::" + house + ":user/", "arn:aws:iam::" + house + ":group/", "arn:aws:iam::" + house + ":role/"
		policy, mfa       = "arn:aws:iam::" + house + ":policy/", "arn:aws:iam::" + house + ":mfa/"
		provider          = "arn:aws:iam::" + house + ":oidc-provider/"
	)
	row := func(operation string, members []string, asks ...string) door {
		return door{"iam", operation, "POST", "/", form(operation, members...), nil, asks}
	}
	return []door{
		row("AddClientIDToOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", provider + "id"}, "iam:AddClientIDToOpenIDConnectProvider "+provider+"id"),
		row("AddUserToGroup", []string{"GroupName", "g", "UserName", "ann"}, "iam:AddUserToGroup "+group+"g"),
		row("AttachGroupPolicy", []string{"GroupName", "g", "PolicyArn", policy + "p"}, "iam:AttachGroupPolicy "+group+"g"),
		row("AttachRolePolicy", []string{"PolicyArn", policy + "p", "RoleName", "r"}, "iam:AttachRolePolicy "+role+"r"),
		row("AttachUserPolicy", []string{"PolicyArn", policy + "p", "UserName", "ann"}, "iam:AttachUserPolicy "+user+"x/ann"),
		row("CreateAccessKey", []string{"UserName", "ann"}, "iam:CreateAccessKey "+user+"x/ann"),
		row("CreateAccountAlias", []string{"AccountAlias", "studio"}, "iam:CreateAccountAlias *"),
		row("CreateGroup", []string{"GroupName", "g"}, "iam:CreateGroup "+group+"g"),
		row("CreateOpenIDConnectProvider", []string{"Url", "https://id", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:CreateOpenIDConnectProvider "+provider+"id", "iam:TagOpenIDConnectProvider "+provider+"id"),
		row("CreatePolicy", []string{"PolicyDocument", "{}", "PolicyName", "p", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:CreatePolicy "+policy+"p", "iam:TagPolicy "+policy+"p"),
		row("CreatePolicyVersion", []string{"PolicyArn", policy + "p", "PolicyDocument", "{}"}, "iam:CreatePolicyVersion "+policy+"p"),
		row("CreateRole", []string{"RoleName", "r", "PermissionsBoundary", policy + "b", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:CreateRole "+role+"r", "iam:TagRole "+role+"r"),
		row("CreateUser", []string{"UserName", "ann", "PermissionsBoundary", policy + "b", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:CreateUser "+user+"ann", "iam:TagUser "+user+"ann"),
		row("CreateVirtualMFADevice", []string{"VirtualMFADeviceName", "phone", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:CreateVirtualMFADevice "+mfa+"phone", "iam:TagMFADevice "+mfa+"phone"),
		row("DeactivateMFADevice", []string{"SerialNumber", mfa + "phone", "UserName", "ann"}, "iam:DeactivateMFADevice "+user+"x/ann"),
		row("DeleteAccessKey", []string{"AccessKeyId", "AKIAEXAMPLEEXAMPLE", "UserName", "ann"}, "iam:DeleteAccessKey "+user+"x/ann"),
		row("DeleteAccountAlias", []string{"AccountAlias", "studio"}, "iam:DeleteAccountAlias *"),
		row("DeleteGroup", []string{"GroupName", "g"}, "iam:DeleteGroup "+group+"g"),
		row("DeleteGroupPolicy", []string{"GroupName", "g", "PolicyName", "p"}, "iam:DeleteGroupPolicy "+group+"g"),
		row("DeleteOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", provider + "id"}, "iam:DeleteOpenIDConnectProvider "+provider+"id"),
		row("DeletePolicy", []string{"PolicyArn", policy + "p"}, "iam:DeletePolicy "+policy+"p"),
		row("DeletePolicyVersion", []string{"PolicyArn", policy + "p", "VersionId", "v1"}, "iam:DeletePolicyVersion "+policy+"p"),
		row("DeleteRole", []string{"RoleName", "r"}, "iam:DeleteRole "+role+"r"),
		row("DeleteRolePermissionsBoundary", []string{"RoleName", "r"}, "iam:DeleteRolePermissionsBoundary "+role+"r"),
		row("DeleteRolePolicy", []string{"PolicyName", "p", "RoleName", "r"}, "iam:DeleteRolePolicy "+role+"r"),
		row("DeleteUser", []string{"UserName", "ann"}, "iam:DeleteUser "+user+"x/ann"),
		row("DeleteUserPermissionsBoundary", []string{"UserName", "ann"}, "iam:DeleteUserPermissionsBoundary "+user+"x/ann"),
		row("DeleteUserPolicy", []string{"PolicyName", "p", "UserName", "ann"}, "iam:DeleteUserPolicy "+user+"x/ann"),
		row("DeleteVirtualMFADevice", []string{"SerialNumber", mfa + "phone"}, "iam:DeleteVirtualMFADevice "+mfa+"phone"),
		row("DetachGroupPolicy", []string{"GroupName", "g", "PolicyArn", policy + "p"}, "iam:DetachGroupPolicy "+group+"g"),
		row("DetachRolePolicy", []string{"PolicyArn", policy + "p", "RoleName", "r"}, "iam:DetachRolePolicy "+role+"r"),
		row("DetachUserPolicy", []string{"PolicyArn", policy + "p", "UserName", "ann"}, "iam:DetachUserPolicy "+user+"x/ann"),
		row("EnableMFADevice", []string{"SerialNumber", mfa + "phone", "UserName", "ann"}, "iam:EnableMFADevice "+user+"x/ann"),
		row("GetAccessKeyLastUsed", []string{"AccessKeyId", "AKIAEXAMPLEEXAMPLE"}, "iam:GetAccessKeyLastUsed *"),
		row("GetAccountAuthorizationDetails", nil, "iam:GetAccountAuthorizationDetails *"),
		row("GetAccountSummary", nil, "iam:GetAccountSummary *"),
		row("GetContextKeysForCustomPolicy", []string{"PolicyInputList.member.1", "{}"}, "iam:GetContextKeysForCustomPolicy *"),
		row("GetContextKeysForPrincipalPolicy", []string{"PolicySourceArn", role + "r"}, "iam:GetContextKeysForPrincipalPolicy "+role+"r"),
		row("GetGroup", []string{"GroupName", "g"}, "iam:GetGroup "+group+"g"),
		row("GetGroupPolicy", []string{"GroupName", "g", "PolicyName", "p"}, "iam:GetGroupPolicy "+group+"g"),
		row("GetMFADevice", []string{"SerialNumber", mfa + "phone", "UserName", "ann"}, "iam:GetMFADevice "+user+"x/ann"),
		row("GetOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", provider + "id"}, "iam:GetOpenIDConnectProvider "+provider+"id"),
		row("GetPolicy", []string{"PolicyArn", policy + "p"}, "iam:GetPolicy "+policy+"p"),
		row("GetPolicyVersion", []string{"PolicyArn", policy + "p", "VersionId", "v1"}, "iam:GetPolicyVersion "+policy+"p"),
		row("GetRole", []string{"RoleName", "r"}, "iam:GetRole "+role+"r"),
		row("GetRolePolicy", []string{"PolicyName", "p", "RoleName", "r"}, "iam:GetRolePolicy "+role+"r"),
		row("GetUser", []string{"UserName", "ann"}, "iam:GetUser "+user+"x/ann"),
		row("GetUserPolicy", []string{"PolicyName", "p", "UserName", "ann"}, "iam:GetUserPolicy "+user+"x/ann"),
		row("ListAccessKeys", []string{"UserName", "ann"}, "iam:ListAccessKeys "+user+"x/ann"),
		row("ListAccountAliases", nil, "iam:ListAccountAliases *"),
		row("ListAttachedGroupPolicies", []string{"GroupName", "g"}, "iam:ListAttachedGroupPolicies "+group+"g"),
		row("ListAttachedRolePolicies", []string{"RoleName", "r"}, "iam:ListAttachedRolePolicies "+role+"r"),
		row("ListAttachedUserPolicies", []string{"UserName", "ann"}, "iam:ListAttachedUserPolicies "+user+"x/ann"),
		row("ListEntitiesForPolicy", []string{"PolicyArn", policy + "p"}, "iam:ListEntitiesForPolicy "+policy+"p"),
		row("ListGroupPolicies", []string{"GroupName", "g"}, "iam:ListGroupPolicies "+group+"g"),
		row("ListGroups", nil, "iam:ListGroups *"),
		row("ListGroupsForUser", []string{"UserName", "ann"}, "iam:ListGroupsForUser "+user+"x/ann"),
		row("ListInstanceProfilesForRole", []string{"RoleName", "r"}, "iam:ListInstanceProfilesForRole "+role+"r"),
		row("ListMFADeviceTags", []string{"SerialNumber", mfa + "phone"}, "iam:ListMFADeviceTags "+mfa+"phone"),
		row("ListMFADevices", []string{"UserName", "ann"}, "iam:ListMFADevices "+user+"x/ann"),
		row("ListOpenIDConnectProviderTags", []string{"OpenIDConnectProviderArn", provider + "id"}, "iam:ListOpenIDConnectProviderTags "+provider+"id"),
		row("ListOpenIDConnectProviders", nil, "iam:ListOpenIDConnectProviders *"),
		row("ListPolicies", nil, "iam:ListPolicies *"),
		row("ListPolicyTags", []string{"PolicyArn", policy + "p"}, "iam:ListPolicyTags "+policy+"p"),
		row("ListPolicyVersions", []string{"PolicyArn", policy + "p"}, "iam:ListPolicyVersions "+policy+"p"),
		row("ListRolePolicies", []string{"RoleName", "r"}, "iam:ListRolePolicies "+role+"r"),
		row("ListRoleTags", []string{"RoleName", "r"}, "iam:ListRoleTags "+role+"r"),
		row("ListRoles", nil, "iam:ListRoles *"),
		row("ListUserPolicies", []string{"UserName", "ann"}, "iam:ListUserPolicies "+user+"x/ann"),
		row("ListUserTags", []string{"UserName", "ann"}, "iam:ListUserTags "+user+"x/ann"),
		row("ListUsers", nil, "iam:ListUsers *"),
		row("ListVirtualMFADevices", nil, "iam:ListVirtualMFADevices *"),
		row("PutGroupPolicy", []string{"GroupName", "g", "PolicyDocument", "{}", "PolicyName", "p"}, "iam:PutGroupPolicy "+group+"g"),
		row("PutRolePermissionsBoundary", []string{"PermissionsBoundary", policy + "b", "RoleName", "r"}, "iam:PutRolePermissionsBoundary "+role+"r"),
		row("PutRolePolicy", []string{"PolicyDocument", "{}", "PolicyName", "p", "RoleName", "r"}, "iam:PutRolePolicy "+role+"r"),
		row("PutUserPermissionsBoundary", []string{"PermissionsBoundary", policy + "b", "UserName", "ann"}, "iam:PutUserPermissionsBoundary "+user+"x/ann"),
		row("PutUserPolicy", []string{"PolicyDocument", "{}", "PolicyName", "p", "UserName", "ann"}, "iam:PutUserPolicy "+user+"x/ann"),
		row("RemoveClientIDFromOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", provider + "id"}, "iam:RemoveClientIDFromOpenIDConnectProvider "+provider+"id"),
		row("RemoveUserFromGroup", []string{"GroupName", "g", "UserName", "ann"}, "iam:RemoveUserFromGroup "+group+"g"),
		row("ResyncMFADevice", []string{"SerialNumber", mfa + "phone", "UserName", "ann"}, "iam:ResyncMFADevice "+user+"x/ann"),
		row("SetDefaultPolicyVersion", []string{"PolicyArn", policy + "p", "VersionId", "v1"}, "iam:SetDefaultPolicyVersion "+policy+"p"),
		row("SimulateCustomPolicy", []string{"ActionNames.member.1", "s3:GetObject", "PolicyInputList.member.1", "{}"}, "iam:SimulateCustomPolicy *"),
		row("SimulatePrincipalPolicy", []string{"ActionNames.member.1", "s3:GetObject", "PolicySourceArn", user + "x/ann"}, "iam:SimulatePrincipalPolicy "+user+"x/ann"),
		row("TagMFADevice", []string{"SerialNumber", mfa + "phone", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:TagMFADevice "+mfa+"phone"),
		row("TagOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", provider + "id", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:TagOpenIDConnectProvider "+provider+"id"),
		row("TagPolicy", []string{"PolicyArn", policy + "p", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:TagPolicy "+policy+"p"),
		row("TagRole", []string{"RoleName", "r", "Tags.member.1.Key", "a", "Tags.member.1.Value", "b"}, "iam:TagRole "+role+"r"),
		row("TagUser", []string{"Tags.member.1.Key", "a", "Tags.member.1.Value", "b", "UserName", "ann"}, "iam:TagUser "+user+"x/ann"),
		row("UntagMFADevice", []string{"SerialNumber", mfa + "phone", "TagKeys.member.1", "a"}, "iam:UntagMFADevice "+mfa+"phone"),
		row("UntagOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", provider + "id", "TagKeys.member.1", "a"}, "iam:UntagOpenIDConnectProvider "+provider+"id"),
		row("UntagPolicy", []string{"PolicyArn", policy + "p", "TagKeys.member.1", "a"}, "iam:UntagPolicy "+policy+"p"),
		row("UntagRole", []string{"RoleName", "r", "TagKeys.member.1", "a"}, "iam:UntagRole "+role+"r"),
		row("UntagUser", []string{"TagKeys.member.1", "a", "UserName", "ann"}, "iam:UntagUser "+user+"x/ann"),
		row("UpdateAccessKey", []string{"AccessKeyId", "AKIAEXAMPLEEXAMPLE", "UserName", "ann"}, "iam:UpdateAccessKey "+user+"x/ann"),
		row("UpdateAssumeRolePolicy", []string{"PolicyDocument", "{}", "RoleName", "r"}, "iam:UpdateAssumeRolePolicy "+role+"r"),
		row("UpdateGroup", []string{"GroupName", "g", "NewGroupName", "h"}, "iam:UpdateGroup "+group+"g", "iam:UpdateGroup "+group+"h"),
		row("UpdateOpenIDConnectProviderThumbprint", []string{"OpenIDConnectProviderArn", provider + "id"}, "iam:UpdateOpenIDConnectProviderThumbprint "+provider+"id"),
		row("UpdateRole", []string{"RoleName", "r"}, "iam:UpdateRole "+role+"r"),
		row("UpdateRoleDescription", []string{"RoleName", "r"}, "iam:UpdateRoleDescription "+role+"r"),
		row("UpdateUser", []string{"UserName", "ann", "NewUserName", "anna"}, "iam:UpdateUser "+user+"x/ann", "iam:UpdateUser "+user+"x/anna"),
	}
}

// kmsDoors are those of the KMS API.
func kmsDoors() []door {
	const (
		id      = "1234abcd-12ab-34cd-56ef-1234567890ab"
		kms     = "arn:aws:kms:us-east-1:" + house + ":"
		key     = kms + "key/" + id
		anyone  = "arn:aws:iam::" + house + ":root"
		onKey   = `{"KeyId":"` + id + `"`
		grantID = "0123456789012345678901234567890123456789012345678901234567890123"
	)
	row := func(operation, body string, asks ...string) door {
		return door{"kms", operation, "POST", "/", body, map[string]string{"X-Amz-Target": "TrentService." + operation, "Content-Type": "application/x-amz-json-1.1"}, asks}
	}
	// A ciphertext that says it is of the key: the form, the id, the version, and nothing that opens.
	blob := append([]byte{1, 0x12, 0x34, 0xab, 0xcd, 0x12, 0xab, 0x34, 0xcd, 0x56, 0xef, 0x12, 0x34, 0x56, 0x78, 0x90, 0xab, 0, 0, 0, 1}, make([]byte, 60)...)
	cipher := base64.StdEncoding.EncodeToString(blob)
	all := []door{
		row("CreateKey", `{"Tags":[{"TagKey":"a","TagValue":"b"}]}`, "kms:CreateKey *", "kms:TagResource "+kms+"key/*"),
		row("ListKeys", "{}", "kms:ListKeys *"),
		row("ListAliases", "{}", "kms:ListAliases *"),
		row("GenerateRandom", `{"NumberOfBytes":8}`, "kms:GenerateRandom *"),
		row("ListRetirableGrants", `{"RetiringPrincipal":"`+anyone+`"}`, "kms:ListRetirableGrants "+anyone),
		row("CreateAlias", `{"AliasName":"alias/a","TargetKeyId":"`+id+`"}`, "kms:CreateAlias "+kms+"alias/a", "kms:CreateAlias "+key),
		row("UpdateAlias", `{"AliasName":"alias/a","TargetKeyId":"`+id+`"}`, "kms:UpdateAlias "+kms+"alias/a", "kms:UpdateAlias "+key),
		row("DeleteAlias", `{"AliasName":"alias/a"}`, "kms:DeleteAlias "+kms+"alias/a"),
		row("Encrypt", onKey+`,"Plaintext":"eA=="}`, "kms:Encrypt "+key),
		row("Encrypt", `{"KeyId":"alias/a","Plaintext":"eA=="}`, "kms:Encrypt "+kms+"alias/a"),
		row("Decrypt", `{"CiphertextBlob":"`+cipher+`"}`, "kms:Decrypt "+key),
		row("Decrypt", `{"KeyId":"`+key+`","CiphertextBlob":"`+cipher+`"}`, "kms:Decrypt "+key),
		row("ReEncrypt", `{"CiphertextBlob":"`+cipher+`","DestinationKeyId":"alias/a"}`, "kms:ReEncryptFrom "+key, "kms:ReEncryptTo "+kms+"alias/a"),
		row("GenerateDataKey", onKey+`,"KeySpec":"AES_256"}`, "kms:GenerateDataKey "+key),
		row("GenerateDataKeyWithoutPlaintext", onKey+`,"KeySpec":"AES_256"}`, "kms:GenerateDataKeyWithoutPlaintext "+key),
		row("CreateGrant", onKey+`,"GranteePrincipal":"`+anyone+`","Operations":["Decrypt"]}`, "kms:CreateGrant "+key),
		row("RevokeGrant", onKey+`,"GrantId":"`+grantID+`"}`, "kms:RevokeGrant "+key),
		row("RetireGrant", `{"KeyId":"`+key+`","GrantId":"`+grantID+`"}`, "kms:RetireGrant "+key),
		row("PutKeyPolicy", onKey+`,"Policy":"{}"}`, "kms:PutKeyPolicy "+key),
		row("ScheduleKeyDeletion", onKey+`,"PendingWindowInDays":7}`, "kms:ScheduleKeyDeletion "+key),
		row("TagResource", onKey+`,"Tags":[{"TagKey":"a","TagValue":"b"}]}`, "kms:TagResource "+key),
		row("UntagResource", onKey+`,"TagKeys":["a"]}`, "kms:UntagResource "+key),
		row("UpdateKeyDescription", onKey+`,"Description":"x"}`, "kms:UpdateKeyDescription "+key),
	}
	for _, plain := range []string{
		"CancelKeyDeletion", "DescribeKey", "DisableKey", "DisableKeyRotation", "EnableKey", "EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus", "ListGrants",
		"ListKeyPolicies", "ListKeyRotations", "ListResourceTags", "RotateKeyOnDemand",
	} {
		all = append(all, row(plain, onKey+"}", "kms:"+plain+" "+key))
	}
	return all
}

// acmDoors are those of the Service Authorization Reference for AWS Certificate Manager.
func acmDoors() []door {
	const anyOf, one = "arn:aws:acm:us-east-1:" + house + ":certificate/*", "arn:aws:acm:us-east-1:" + house + ":certificate/01234567-89ab-cdef-0123-456789abcdef"
	row := func(operation, body string, asks ...string) door {
		return door{"acm", operation, "POST", "/", body, map[string]string{"X-Amz-Target": "CertificateManager." + operation}, asks}
	}
	on := func(more string) string { return `{"CertificateArn":"` + one + `"` + more + `}` }
	return []door{
		row("AddTagsToCertificate", on(`,"Tags":[{"Key":"a","Value":"b"}]`), "acm:AddTagsToCertificate "+one),
		row("DeleteCertificate", on(""), "acm:DeleteCertificate "+one),
		row("DescribeCertificate", on(""), "acm:DescribeCertificate "+one),
		row("ExportCertificate", on(`,"Passphrase":"AAAAAA=="`), "acm:ExportCertificate "+one),
		row("GetCertificate", on(""), "acm:GetCertificate "+one),
		row("ImportCertificate", `{"Certificate":"AA==","PrivateKey":"AA=="}`, "acm:ImportCertificate "+anyOf),
		row("ImportCertificate", on(`,"Certificate":"AA==","PrivateKey":"AA=="`), "acm:ImportCertificate "+one),
		row("ImportCertificate", `{"Certificate":"AA==","PrivateKey":"AA==","Tags":[{"Key":"a","Value":"b"}]}`, "acm:ImportCertificate "+anyOf, "acm:AddTagsToCertificate "+anyOf),
		row("ImportCertificate", `{"CertificateArn":"no name of anything","Certificate":"AA==","PrivateKey":"AA=="}`, "acm:ImportCertificate "+anyOf),
		row("ListCertificates", `{}`, "acm:ListCertificates *"),
		row("ListTagsForCertificate", on(""), "acm:ListTagsForCertificate "+one),
		row("RemoveTagsFromCertificate", on(`,"Tags":[{"Key":"a"}]`), "acm:RemoveTagsFromCertificate "+one),
	}
}

// cloudtrailDoors are those of the Service Authorization Reference for AWS CloudTrail.
func cloudtrailDoors() []door {
	const one = "arn:aws:cloudtrail:us-east-1:" + house + ":trail/films"
	row := func(operation, body string, asks ...string) door {
		return door{"cloudtrail", operation, "POST", "/", body, map[string]string{"X-Amz-Target": "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101." + operation}, asks}
	}
	short := func(d door) door {
		d.header = map[string]string{"X-Amz-Target": "CloudTrail_20131101." + d.operation}
		return d
	}
	return []door{
		row("AddTags", `{"ResourceId":"`+one+`","TagsList":[{"Key":"a","Value":"b"}]}`, "cloudtrail:AddTags "+one),
		row("CreateTrail", `{"Name":"films","S3BucketName":"b"}`, "cloudtrail:CreateTrail "+one),
		row("CreateTrail", `{"Name":"films","S3BucketName":"b","TagsList":[{"Key":"a","Value":"b"}]}`, "cloudtrail:CreateTrail "+one, "cloudtrail:AddTags "+one),
		row("DeleteTrail", `{"Name":"`+one+`"}`, "cloudtrail:DeleteTrail "+one),
		row("DescribeTrails", `{}`, "cloudtrail:DescribeTrails *"),
		short(row("DescribeTrails", `{"trailNameList":["films"]}`, "cloudtrail:DescribeTrails *")),
		row("GetEventSelectors", `{"TrailName":"films"}`, "cloudtrail:GetEventSelectors "+one),
		row("GetTrail", `{"Name":"films"}`, "cloudtrail:GetTrail "+one),
		row("GetTrailStatus", `{"Name":"films"}`, "cloudtrail:GetTrailStatus "+one),
		row("ListPublicKeys", `{}`, "cloudtrail:ListPublicKeys *"),
		row("ListTags", `{"ResourceIdList":["`+one+`","`+one+`2"]}`, "cloudtrail:ListTags "+one, "cloudtrail:ListTags "+one+"2"),
		row("ListTrails", `{}`, "cloudtrail:ListTrails *"),
		row("LookupEvents", `{}`, "cloudtrail:LookupEvents *"),
		row("PutEventSelectors", `{"TrailName":"films","EventSelectors":[{}]}`, "cloudtrail:PutEventSelectors "+one),
		row("RemoveTags", `{"ResourceId":"`+one+`","TagsList":[{"Key":"a"}]}`, "cloudtrail:RemoveTags "+one),
		row("StartLogging", `{"Name":"films"}`, "cloudtrail:StartLogging "+one),
		row("StopLogging", `{"Name":"films"}`, "cloudtrail:StopLogging "+one),
		short(row("StopLogging", `{"Name":"films"}`, "cloudtrail:StopLogging "+one)),
		row("UpdateTrail", `{"Name":"films"}`, "cloudtrail:UpdateTrail "+one),
	}
}

// executeDoors are those of the key server: execute-api:Invoke, as API Gateway asks it, and what a token for a player needs besides.
func executeDoors() []door {
	const api = "execute-api:Invoke arn:aws:execute-api:us-east-1:" + house + ":darkroom/"
	row := func(operation, method, target, body string, header map[string]string, asks ...string) door {
		return door{"execute-api", operation, method, target, body, header, asks}
	}
	speke := map[string]string{"Content-Type": "application/xml", "X-Speke-Version": "2.0"}
	return []door{
		row("CopyProtectionV1", "POST", "/speke/v1.0/copyProtection", "x", map[string]string{"Content-Type": "application/xml"}, api+"speke/POST/v1.0/copyProtection"),
		row("CopyProtectionV2", "POST", "/speke/v2.0/copyProtection", "x", speke, api+"speke/POST/v2.0/copyProtection"),
		row("Heartbeat", "GET", "/speke/v1.0/heartbeat", "", nil, api+"speke/GET/v1.0/heartbeat"),
		row("CreatePlayerToken", "POST", "/player/tokens", "{}", nil, api+"player/POST/tokens"),
		row("CreatePlayerToken", "POST", "/player/tokens", `{"source":"s3://`+marker+`/a/b.mpd","contentIds":["c","d"]}`, nil,
			api+"player/POST/tokens", api+"player/GET/keys/c", api+"player/GET/keys/d", "s3:GetObject arn:aws:s3:::"+marker+"/a/*"),
	}
}
