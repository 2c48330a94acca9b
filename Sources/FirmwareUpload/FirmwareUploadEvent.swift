import SystemPackage

/// What happens on an upload device, for who keeps a journal or has to explain a result afterwards. The kernel shows
/// less of it.
public enum FirmwareUploadEvent: Hashable, Sendable {
  /// `loading=1`; so many staged bytes were dropped.
  case loadingBegan(dropped: Int)
  /// `loading=-1`; so many staged bytes stay, and will not be uploaded.
  case loadingGivenUp(staged: Int)
  /// A number that means nothing then. 0 with `wasLoading` false is a `loading=0` without `loading=1`: the `staged`
  /// bytes that were written before it are not uploaded.
  case unexpectedValue(Int32, staged: Int, wasLoading: Bool)
  /// `loading=0` with an empty image: nothing is uploaded.
  case nothingStaged
  /// `loading=0` failed with this errno; the device accepts nothing more until it is made anew.
  case commitRefused(Errno)
  /// A write to `data` got no page: ENOMEM; the device accepts nothing more until it is made anew. So many bytes are
  /// staged.
  case pageAllocationFailed(staged: Int)
  /// A write to `loading` was ignored, because an upload runs or the device accepts nothing more.
  case loadingIgnored(Int32)
  /// An upload of so many bytes has started; the worker is to come.
  case started(size: Int)
  /// The worker is in this phase now.
  case entered(UploadProgress)
  /// The driver has taken bytes; so many are left.
  case transferred(remaining: Int)
  /// The upload has ended. Comes before `status` says idle, so that what is told afterwards is there by then.
  case ended(UploadFailure?)
  /// `status` says idle.
  case idle
  /// `cancel` was written.
  case cancelled(whileIdle: Bool)
}
