/** Where the tests find a server that speaks the S3 API. */
export interface S3Place {
  endpoint: string;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
}

declare module "vitest" {
  interface ProvidedContext {
    s3: S3Place;
  }
}
