"""Tasks in Amazon DynamoDB, through boto3's low-level client."""
