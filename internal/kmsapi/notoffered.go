package kmsapi

// notOffered are the operations of the API that are not carried out: asymmetric keys and HMAC keys, key material from elsewhere, custom key stores,
// multi-Region keys, and the record of the last use, which the audit trail has.
var notOffered = []string{
	"ConnectCustomKeyStore", "CreateCustomKeyStore", "Decapsulate", "DeleteCustomKeyStore", "DeleteImportedKeyMaterial", "DeriveSharedSecret",
	"DescribeCustomKeyStores", "DisconnectCustomKeyStore", "Encapsulate", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateMac",
	"GetKeyLastUsage", "GetParametersForImport", "GetPublicKey", "ImportKeyMaterial", "ReplicateKey", "Sign", "UpdateCustomKeyStore",
	"UpdatePrimaryRegion", "Verify", "VerifyMac",
}
