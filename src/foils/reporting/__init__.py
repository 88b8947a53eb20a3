"""What all reports share: numbers and texts from data written (``text``), plots (``svg``), pages and files of them."""
